-- The standard API: entities of an application's own types, keys of ARAP's signed values, access requests that came over ARAP.

CREATE TABLE entity (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    attrs TEXT NOT NULL,
    parents TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE arap_key (
    kid TEXT NOT NULL,
    secret BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (kid)
) STRICT, WITHOUT ROWID;

CREATE TABLE arap_task (
    task TEXT NOT NULL,
    request TEXT NOT NULL,
    caller TEXT NOT NULL,
    binding TEXT NOT NULL,
    evaluation TEXT NOT NULL,
    approval TEXT NOT NULL,
    asked TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (task)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX arap_task_1 ON arap_task (approval);
CREATE INDEX arap_task_2 ON arap_task (request);

CREATE TABLE arap_callback (
    request TEXT NOT NULL,
    task TEXT NOT NULL,
    channel TEXT NOT NULL,
    PRIMARY KEY (request, task)
) STRICT, WITHOUT ROWID;
