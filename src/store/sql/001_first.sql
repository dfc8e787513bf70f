-- The first schema. Tables and columns are those of src/core/rows.c; the contract suite compares them.

CREATE TABLE state (
    id INTEGER PRIMARY KEY NOT NULL,
    size INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    world INTEGER NOT NULL,
    snapshot_seq INTEGER NOT NULL,
    bundle_version INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    anchor_wall INTEGER NOT NULL,
    anchor_boot INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    peaks BLOB NOT NULL,
    note_size INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TABLE person (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    salt BLOB NOT NULL,
    same_as TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX person_1 ON person (name);
CREATE INDEX person_2 ON person (same_as, id);

CREATE TABLE account (
    name TEXT NOT NULL,
    person TEXT NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_1 ON account (person, name);

CREATE TABLE member (
    grp TEXT NOT NULL,
    person TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (grp, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_1 ON member (person, grp);

CREATE TABLE link (
    hash BLOB NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_1 ON link (wall);

CREATE TABLE session (
    hash BLOB NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    PRIMARY KEY (hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_1 ON session (wall);
CREATE INDEX session_2 ON session (person);

CREATE TABLE target (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    dbname TEXT NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway (
    name TEXT NOT NULL,
    code_hash BLOB NOT NULL,
    pubkey BLOB NOT NULL,
    version TEXT NOT NULL,
    code_wall INTEGER NOT NULL,
    code_boot_ms INTEGER NOT NULL,
    code_boot INTEGER NOT NULL,
    lease_wall INTEGER NOT NULL,
    lease_boot_ms INTEGER NOT NULL,
    lease_boot INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    last_batch INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_1 ON gateway (code_hash);
CREATE INDEX gateway_2 ON gateway (pubkey);

CREATE TABLE gateway_target (
    gateway TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (gateway, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_target_1 ON gateway_target (target, gateway);

CREATE TABLE credential (
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    target TEXT NOT NULL,
    verifier TEXT NOT NULL,
    device TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT '',
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_1 ON credential (target, id);
CREATE INDEX credential_3 ON credential (wall);
CREATE INDEX credential_2 ON credential (person, id);

CREATE TABLE bundle (
    version INTEGER PRIMARY KEY NOT NULL,
    hash TEXT NOT NULL,
    schema TEXT NOT NULL,
    policies TEXT NOT NULL,
    requirements TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE request (
    id TEXT NOT NULL,
    code TEXT NOT NULL,
    status INTEGER NOT NULL,
    live INTEGER NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    act TEXT NOT NULL,
    requester TEXT NOT NULL,
    root TEXT NOT NULL,
    target TEXT NOT NULL,
    gateway TEXT NOT NULL,
    credential TEXT NOT NULL,
    session TEXT NOT NULL,
    summary TEXT NOT NULL,
    scoped INTEGER NOT NULL,
    for_ms INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    bundle TEXT NOT NULL,
    needs TEXT NOT NULL,
    policies TEXT NOT NULL,
    denied_by TEXT NOT NULL,
    reason_salt BLOB NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_1 ON request (code, id);
CREATE INDEX request_2 ON request (requester, live, id);
CREATE INDEX request_3 ON request (act, live);
CREATE INDEX request_4 ON request (live, id);
CREATE INDEX request_5 ON request (live, wall);
CREATE INDEX request_6 ON request (live, boot, boot_ms);

CREATE TABLE eligible (
    request TEXT NOT NULL,
    version INTEGER NOT NULL,
    requirement TEXT NOT NULL,
    person TEXT NOT NULL,
    PRIMARY KEY (request, version, requirement, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX eligible_1 ON eligible (person, request);

CREATE TABLE waiter (
    request TEXT NOT NULL,
    session TEXT NOT NULL,
    gateway TEXT NOT NULL,
    PRIMARY KEY (request, session)
) STRICT, WITHOUT ROWID;

CREATE TABLE vote (
    request TEXT NOT NULL,
    root TEXT NOT NULL,
    person TEXT NOT NULL,
    id TEXT NOT NULL,
    requirement TEXT NOT NULL,
    vote TEXT NOT NULL,
    bundle TEXT NOT NULL,
    version INTEGER NOT NULL,
    approve INTEGER NOT NULL,
    narrow_for_ms INTEGER NOT NULL,
    narrow_uses INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    PRIMARY KEY (request, root)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    id TEXT NOT NULL,
    request TEXT NOT NULL,
    code TEXT NOT NULL,
    digest TEXT NOT NULL,
    act TEXT NOT NULL,
    principal TEXT NOT NULL,
    root TEXT NOT NULL,
    target TEXT NOT NULL,
    session TEXT NOT NULL,
    summary TEXT NOT NULL,
    status INTEGER NOT NULL,
    live INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL,
    terms TEXT NOT NULL,
    bundle TEXT NOT NULL,
    met TEXT NOT NULL,
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    end_seq INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_1 ON grants (request);
CREATE INDEX grants_2 ON grants (principal, live, id);
CREATE INDEX grants_3 ON grants (live, id);
CREATE INDEX grants_4 ON grants (live, wall);
CREATE INDEX grants_5 ON grants (live, boot, boot_ms);

CREATE TABLE claim (
    id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    ckey TEXT NOT NULL,
    session TEXT NOT NULL,
    gateway TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    tag TEXT NOT NULL,
    nrows INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    rev INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_2 ON claim (grant_id, outcome, id);
-- After the other one: PostgreSQL takes the last of those that seem as good, and before it has counted rows all do.
CREATE UNIQUE INDEX claim_1 ON claim (grant_id, ckey);

CREATE TABLE ends (
    seq INTEGER PRIMARY KEY NOT NULL,
    grant_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE ack (
    gateway TEXT NOT NULL,
    seq INTEGER NOT NULL,
    grant_id TEXT NOT NULL,
    done INTEGER NOT NULL,
    PRIMARY KEY (gateway, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX ack_1 ON ack (grant_id, gateway);

CREATE TABLE texts (
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    salt BLOB NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (owner, kind)
) STRICT;

CREATE TABLE leaf (
    idx INTEGER PRIMARY KEY NOT NULL,
    entry TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE node (
    level INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
