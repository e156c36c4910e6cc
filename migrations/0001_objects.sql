-- The resources of a standalone installation: what Kubernetes keeps in its API server.

-- One counter for all kinds: a resource version says when, across the whole store, an object last changed.
CREATE TABLE store_version (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
);
INSERT INTO store_version (id, value) VALUES (1, 0);

CREATE TABLE objects (
    plural           TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    resource_version INTEGER NOT NULL,
    metadata         TEXT    NOT NULL,
    spec             TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    PRIMARY KEY (plural, name)
) WITHOUT ROWID;

-- Labels beside the objects, so that the replicas of one volume are found among tens of thousands.
CREATE TABLE labels (
    plural TEXT NOT NULL,
    name   TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (plural, key, value, name),
    FOREIGN KEY (plural, name) REFERENCES objects (plural, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX labels_of_object ON labels (plural, name);
