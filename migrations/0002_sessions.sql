-- Browser sessions. Only a hash of the token is kept: who reads this file can't log in with it.
CREATE TABLE sessions (
    token_hash    BLOB    NOT NULL PRIMARY KEY,
    user          TEXT    NOT NULL,
    -- SHA-256 of the user's password hash at login: a changed password ends the session.
    password_mark BLOB    NOT NULL,
    -- Seconds since 1970.
    created_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_seen_at ON sessions (seen_at);
