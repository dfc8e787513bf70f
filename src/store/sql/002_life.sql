-- Stages, delegation, break-glass, budgets, start in the future; watchers, remarks, timers, idempotency keys.

ALTER TABLE request ADD COLUMN extends TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN glass INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vote ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vote ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN from_wall INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN from_boot_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN from_boot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN review INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN reviewer TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN spent_statements INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN spent_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN spent_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim ADD COLUMN nbytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim ADD COLUMN statements INTEGER NOT NULL DEFAULT 0;
CREATE INDEX grants_6 ON grants (root, review, id);
CREATE INDEX grants_7 ON grants (act, principal, live, id);

CREATE TABLE party (
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    PRIMARY KEY (request, kind, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX party_1 ON party (person, request);

CREATE TABLE remark (
    request TEXT NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (request, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE timer (
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (request, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_1 ON timer (at_ms);

CREATE TABLE delegation (
    id TEXT NOT NULL,
    giver TEXT NOT NULL,
    taker TEXT NOT NULL,
    live INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delegation_1 ON delegation (taker, live);
CREATE INDEX delegation_2 ON delegation (giver, live);
CREATE INDEX delegation_3 ON delegation (live, wall);

CREATE TABLE idem (
    person TEXT NOT NULL,
    ckey TEXT NOT NULL,
    ask TEXT NOT NULL,
    request TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (person, ckey)
) STRICT, WITHOUT ROWID;
CREATE INDEX idem_1 ON idem (at_ms);
