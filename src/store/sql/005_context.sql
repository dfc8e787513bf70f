-- What is known at that moment: risk of requests and what it rests on, facts of resources, who is on call, zones and quiet hours of persons.

ALTER TABLE request ADD COLUMN risk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN behalf INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN asked_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE request ADD COLUMN ask TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN binds INTEGER NOT NULL DEFAULT 0;

CREATE TABLE habit (
    person TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    weight INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (person, action, kind, what)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    environment TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile (
    person TEXT NOT NULL,
    zone TEXT NOT NULL,
    quiet_from INTEGER NOT NULL,
    quiet_to INTEGER NOT NULL,
    quiet_days INTEGER NOT NULL,
    PRIMARY KEY (person)
) STRICT, WITHOUT ROWID;

CREATE TABLE on_call (
    list TEXT NOT NULL,
    person TEXT NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (list, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX on_call_1 ON on_call (person, list);
