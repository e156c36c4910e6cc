-- Everything that takes long, while it runs and afterwards: what a person reads as the history of the installation. Bounded
-- by age and number, and by lines of log a job. Times are milliseconds since 1970.
CREATE TABLE jobs (
    -- Never used again for another job, also when all are forgotten.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The natural name of the work, by which a manager that starts again finds it; unique among the jobs that run.
    key             TEXT,
    kind            TEXT    NOT NULL,
    -- What it is done to, and the volume and the node that it concerns; empty for none.
    object          TEXT    NOT NULL,
    volume          TEXT    NOT NULL,
    node            TEXT    NOT NULL,
    -- user, recurringJob or system, and its name or reason.
    starter         TEXT    NOT NULL,
    started_by      TEXT    NOT NULL,
    -- JSON: [{"name": …, "at": …}]
    phases          TEXT    NOT NULL,
    -- NULL where nobody knows.
    planned_bytes   INTEGER,
    done_bytes      INTEGER NOT NULL,
    -- Why it can't be cancelled; NULL where it can.
    cancel_refusal  TEXT,
    -- Who asked to cancel it; NULL for nobody.
    cancel_asked_by TEXT,
    started_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    -- running, succeeded, failed, cancelled or interrupted.
    state           TEXT    NOT NULL,
    -- NULL while it runs.
    ended_at        INTEGER,
    -- Of a failure: what happened, what to do, and the cause as JSON where there is one.
    message         TEXT    NOT NULL,
    next_step       TEXT    NOT NULL,
    cause           TEXT
) STRICT;

CREATE UNIQUE INDEX jobs_running_by_key ON jobs (key) WHERE state = 'running' AND key IS NOT NULL;
CREATE INDEX jobs_by_volume ON jobs (volume, id);
CREATE INDEX jobs_by_end ON jobs (ended_at);

CREATE TABLE job_log (
    job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    -- Counts from 0; a gap stands for lines that were left out.
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    level  TEXT    NOT NULL,
    text   TEXT    NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
