-- The log: origins after a restore, key rotation, witnesses.
ALTER TABLE state ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN gen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN witness_need INTEGER NOT NULL DEFAULT 0;

CREATE TABLE succession (
    n INTEGER PRIMARY KEY NOT NULL,
    kind INTEGER NOT NULL,
    note TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE witness (
    name TEXT NOT NULL,
    line TEXT NOT NULL,
    url TEXT NOT NULL,
    size INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
