-- The audit log: who changed what, from where, and how it ended. Only added to: the act before it is done, its end before
-- it is answered. Times are milliseconds since 1970.
CREATE TABLE audits (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    user       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    method     TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    noun       TEXT    NOT NULL,
    object     TEXT    NOT NULL,
    input      TEXT    NOT NULL,
    request_id TEXT    NOT NULL
) STRICT;
CREATE INDEX audits_by_time ON audits (at);
CREATE INDEX audits_by_user ON audits (user, id);
CREATE INDEX audits_by_object ON audits (object, id);

-- How an act ended. One without a row here was cut off by the end of the manager: nobody knows.
CREATE TABLE audit_results (
    audit_id INTEGER PRIMARY KEY REFERENCES audits (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL,
    result   TEXT    NOT NULL,
    status   INTEGER NOT NULL,
    message  TEXT    NOT NULL
) STRICT;

-- What is too old or too much is forgotten from the oldest end alone: from the number after this one on, there is no gap.
CREATE TABLE audit_retention (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    forgotten_through INTEGER NOT NULL
) STRICT;
INSERT INTO audit_retention (id, forgotten_through) VALUES (1, 0);

CREATE TRIGGER audits_stay BEFORE UPDATE ON audits
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_results_stay BEFORE UPDATE ON audit_results
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
-- REPLACE deletes without asking the triggers of deletions.
CREATE TRIGGER audits_are_new BEFORE INSERT ON audits
WHEN EXISTS (SELECT 1 FROM audits WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_results_are_new BEFORE INSERT ON audit_results
WHEN EXISTS (SELECT 1 FROM audit_results WHERE audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audits_go_by_age BEFORE DELETE ON audits
WHEN OLD.id > (SELECT forgotten_through FROM audit_retention)
BEGIN SELECT RAISE(ABORT, 'the audit log is only forgotten from its oldest end'); END;
CREATE TRIGGER audit_results_go_by_age BEFORE DELETE ON audit_results
WHEN OLD.audit_id > (SELECT forgotten_through FROM audit_retention)
BEGIN SELECT RAISE(ABORT, 'the audit log is only forgotten from its oldest end'); END;
CREATE TRIGGER audit_retention_grows BEFORE UPDATE ON audit_retention
WHEN NEW.forgotten_through < OLD.forgotten_through
BEGIN SELECT RAISE(ABORT, 'what the audit log has forgotten does not come back'); END;
CREATE TRIGGER audit_retention_stays BEFORE DELETE ON audit_retention
BEGIN SELECT RAISE(ABORT, 'the audit log is only forgotten from its oldest end'); END;
