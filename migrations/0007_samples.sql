-- What volumes did and what disks had, over time: a row holds many points of one volume or disk. Bounded by age and size.
CREATE TABLE samples (
    -- `io` of a volume, `space` of a disk.
    kind   TEXT    NOT NULL,
    -- Name of the volume, or `<node>/<disk>`.
    series TEXT    NOT NULL,
    -- Seconds for which a point stands.
    step   INTEGER NOT NULL,
    -- Seconds since 1970 at which the row's first point would begin.
    start  INTEGER NOT NULL,
    -- What the row takes, so that the whole can be summed up from the index alone.
    bytes  INTEGER NOT NULL,
    points BLOB    NOT NULL,
    PRIMARY KEY (kind, series, step, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX samples_by_age ON samples (step, start, bytes);
