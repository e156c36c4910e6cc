-- What the users' files said when a manager looked last, so that a change that was made while none ran is told in the audit
-- log at the next start. No password, and no hash of one that a login could be tried against.
CREATE TABLE known_users (
    name          TEXT NOT NULL PRIMARY KEY,
    -- admin or viewer.
    role          TEXT NOT NULL,
    -- SHA-256 of the user's password hash, as in sessions.
    password_mark BLOB NOT NULL
) STRICT, WITHOUT ROWID;
