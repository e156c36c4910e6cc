-- What happened to objects, for people. The same news again is counted and not kept again. Bounded by age and number.
-- Times are milliseconds since 1970.
CREATE TABLE events (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    object_uid TEXT NOT NULL,
    reason TEXT NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;

CREATE INDEX events_by_age ON events (last_seen);
