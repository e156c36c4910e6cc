-- Where people are told of what happens, and what waits to be told. Addresses of webhooks and passwords are not here, but in
-- a file that only the manager reads. Times are milliseconds since 1970.
CREATE TABLE notification_targets (
    name              TEXT    NOT NULL PRIMARY KEY,
    spec              TEXT    NOT NULL,
    delivered         INTEGER NOT NULL DEFAULT 0,
    dropped           INTEGER NOT NULL DEFAULT 0,
    last_delivered_at INTEGER NOT NULL DEFAULT 0,
    last_error_at     INTEGER NOT NULL DEFAULT 0,
    last_error        TEXT    NOT NULL DEFAULT ''
) STRICT;

-- A notice leaves this table when it was told, or given up and counted.
CREATE TABLE notification_outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target     TEXT    NOT NULL REFERENCES notification_targets (name) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    notice     TEXT    NOT NULL
) STRICT;
CREATE INDEX notification_outbox_by_target ON notification_outbox (target, id);

-- How far the events and jobs were looked through: written together with what they put into the outbox.
CREATE TABLE notification_cursors (
    source TEXT    NOT NULL PRIMARY KEY,
    value  INTEGER NOT NULL
) STRICT;

-- Causes that were told of and are not gone yet.
CREATE TABLE notification_causes (
    object TEXT NOT NULL,
    code   TEXT NOT NULL,
    PRIMARY KEY (object, code)
) STRICT, WITHOUT ROWID;
