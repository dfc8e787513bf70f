-- Telling people: channels, where persons are reached, what is to be sent, callbacks that were seen.

CREATE TABLE channel (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL,
    live INTEGER NOT NULL,
    why_off TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_state (
    channel TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    fails INTEGER NOT NULL,
    pause_ms INTEGER NOT NULL,
    ok_ms INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    person TEXT NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    salt BLOB NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (person, kind)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX contact_1 ON contact (kind, address);

CREATE TABLE message (
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    status INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    request TEXT NOT NULL,
    person TEXT NOT NULL,
    what TEXT NOT NULL,
    version INTEGER NOT NULL,
    want INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    ref TEXT NOT NULL,
    note TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_1 ON message (channel, status, at_ms);
CREATE INDEX message_2 ON message (request, channel, person);
CREATE INDEX message_3 ON message (person, channel, status);

CREATE TABLE prompts (
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (channel, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE seen (
    hash BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_1 ON seen (at_ms);
