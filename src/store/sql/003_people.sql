-- People: identity providers, passkeys, sessions, tokens, services.

ALTER TABLE session ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN idle_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN strong_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN provider TEXT NOT NULL DEFAULT '';

CREATE TABLE provider (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    config TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_1 ON provider (kind, name);

CREATE TABLE identity (
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    person TEXT NOT NULL,
    salt BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_1 ON identity (person, provider);

CREATE TABLE login (
    hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    person TEXT NOT NULL,
    data TEXT NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_1 ON login (wall);
CREATE INDEX login_2 ON login (kind, code);

CREATE TABLE token (
    hash BLOB NOT NULL,
    id TEXT NOT NULL,
    who TEXT NOT NULL,
    maker TEXT NOT NULL,
    name TEXT NOT NULL,
    rights INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX token_1 ON token (id);
CREATE INDEX token_2 ON token (who, id);
CREATE INDEX token_3 ON token (wall);
CREATE INDEX token_4 ON token (maker, id);

CREATE TABLE token_use (
    id TEXT NOT NULL,
    used_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkey (
    id BLOB NOT NULL,
    uid TEXT NOT NULL,
    person TEXT NOT NULL,
    cose BLOB NOT NULL,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX passkey_1 ON passkey (uid);
CREATE INDEX passkey_2 ON passkey (person, uid);

CREATE TABLE passkey_use (
    uid TEXT NOT NULL,
    count INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    PRIMARY KEY (uid)
) STRICT, WITHOUT ROWID;

ALTER TABLE vote ADD COLUMN proof TEXT NOT NULL DEFAULT '';
