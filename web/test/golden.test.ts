// The vectors of test/golden, which the C and Python sides hold too.
import assert from "node:assert/strict";
import { createHash, createPublicKey, verify, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { canonical, requestDigest, tagged, unb64u } from "../src/canonical";
import { check } from "../src/checked";
import { shapeError } from "../src/shape";
import { statements, texts } from "../src/shown";
import type { Body, Request } from "../src/types";

if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto }); // Node 18

interface Vector { name: string; body: Body; digest: string }
const golden = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(process.env["PHI_TOP"]!, "test/golden", name), "utf8")) as Record<string, unknown>;
const bodies = golden("bodies.json") as unknown as { vectors: Vector[]; refused: { name: string; body: Body }[] };

test("there are vectors to hold", () => assert.ok(bodies.vectors.length >= 10 && bodies.refused.length >= 20));

for (const v of bodies.vectors) {
    test(`body "${v.name}" has its digest, its shape and texts to show`, async () => {
        assert.equal(await requestDigest(v.body), v.digest);
        assert.equal(shapeError(v.body), "");
        assert.equal(statements(v.body).length > 0, v.body.payload !== undefined);
        assert.ok(texts(v.body).length > 0);
        const r = { id: v.body.id, version: v.body.version, digest: v.digest, requester: { id: v.body.requester.id, name: "x" }, body: v.body } as unknown as Request;
        assert.deepEqual(await check(r), { state: "same", digest: v.digest });
        assert.equal((await check({ ...r, digest: v.digest.replace(/^./, (c) => (c === "0" ? "1" : "0")) })).state, "bad");
        assert.equal((await check({ ...r, version: r.version + 1 })).state, "bad");
        assert.equal((await check({ ...r, body: { ...v.body, more: 1 } as unknown as Body })).state, "bad");
    });
}

// What the server refuses for reasons that hide nothing from a reader: the console shows it as it is.
const harmless = ["actions not sorted", "a pair twice", "a scope outside its target", "a scope not sorted", "from after until", "a zero byte in a statement"];
for (const v of bodies.refused)
    if (!harmless.includes(v.name)) test(`body refused: ${v.name}`, () => assert.notEqual(shapeError(v.body), ""));

test("votes have their digests", async () => {
    const votes = golden("votes.json")["vectors"] as { name: string; vote: unknown; digest: string }[];
    assert.ok(votes.length > 0);
    for (const v of votes) assert.equal(await tagged("phi-vote-v1", v.vote), v.digest, v.name);
});

test("canonical JSON refuses what the formats do not allow", () => {
    for (const bad of [1.5, 2 ** 53, NaN, undefined, "\ud800", { "\udc00": 1 }, [() => 0]]) assert.throws(() => canonical(bad));
    assert.equal(canonical({ "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6 }), '{"\\r":2,"1":4,"\u0080":6,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
    assert.equal(canonical(-0), "0");
    assert.equal(canonical("\u0000\b\u007f\u2028\"\\/"), '"\\u0000\\b\u007f\u2028\\"\\\\/"');
});

test("base64url is read strictly", () => {
    assert.deepEqual([...unb64u("_v8")], [254, 255]);
    for (const bad of ["a", "YQ==", "a+b/", "a b"]) assert.throws(() => unb64u(bad));
});

// The log, by Node's own hashes and signatures: no line of the console's is in it.
const log = golden("log.json") as unknown as { name: string; key: string; witness: string; cosigner: string; time_s: number; entries: string[]; checkpoint: string;
    receipts: string[]; tile: { hex: string }; bundle: { hex: string }; next_key: string; rotated: string };
const sha = (...parts: Uint8Array[]): Buffer => parts.reduce((h, p) => h.update(p), createHash("sha256")).digest();
const leafOf = (entry: Buffer): Buffer => sha(Buffer.of(0), entry);
const signedBy = (line: string, text: string, sig: Buffer): boolean => {
    const raw = Buffer.from(line.split("+").slice(2).join("+"), "base64").subarray(1);
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
    return verify(null, Buffer.from(text), createPublicKey({ key: spki, format: "der", type: "spki" }), sig);
};
const open = (note: string): { text: string; sigs: { name: string; raw: Buffer }[] } => {
    const at = note.indexOf("\n\n");
    return { text: note.slice(0, at + 1), sigs: note.slice(at + 2).trimEnd().split("\n").map((l) => ({ name: l.split(" ")[1]!, raw: Buffer.from(l.split(" ")[2]!, "base64") })) };
};

test("the log's head is signed by its key and cosigned by the witness", () => {
    const { text, sigs } = open(log.checkpoint);
    assert.deepEqual(sigs.map((s) => s.name), [log.name, log.witness]);
    assert.ok(signedBy(log.key, text, sigs[0]!.raw.subarray(4)));
    const at = sigs[1]!.raw.readBigUInt64BE(4);
    assert.equal(at, BigInt(log.time_s));
    assert.ok(signedBy(log.cosigner, `cosignature/v1\ntime ${at}\n${text}`, sigs[1]!.raw.subarray(12)));
    assert.ok(!signedBy(log.cosigner, `cosignature/v1\ntime ${at + 1n}\n${text}`, sigs[1]!.raw.subarray(12)));
});

test("receipts lead their entries to the signed root; tile and bundle hold the same", () => {
    const head = open(log.checkpoint).text.split("\n");
    let bundle = "";
    log.receipts.forEach((receipt, i) => {
        const [first, extra, index, ...rest] = receipt.split("\n");
        assert.deepEqual([first, index], ["c2sp.org/tlog-proof@v1", `index ${i}`]);
        const entry = Buffer.from(extra!.slice(6), "base64"), way = rest.slice(0, rest.indexOf("")).map((h) => Buffer.from(h, "base64"));
        assert.equal(entry.toString(), log.entries[i]);
        let at = i, last = log.entries.length - 1, hash = leafOf(entry); // RFC 9162, section 2.1.3.2
        for (const h of way) {
            if (at % 2 === 1 || at === last) {
                hash = sha(Buffer.of(1), h, hash);
                while (at % 2 === 0 && at !== 0) [at, last] = [at >> 1, last >> 1];
            } else hash = sha(Buffer.of(1), hash, h);
            [at, last] = [at >> 1, last >> 1];
        }
        assert.equal(last, 0);
        assert.equal(hash.toString("base64"), head[2]);
        assert.equal(log.tile.hex.slice(64 * i, 64 * i + 64), leafOf(entry).toString("hex"));
        bundle += entry.length.toString(16).padStart(4, "0") + entry.toString("hex");
    });
    assert.equal(log.bundle.hex, bundle);
});

test("the log's next key is signed by both", () => {
    const { text, sigs } = open(log.rotated);
    assert.equal(text, `phi-log-key/v1 rotated\n${log.key}\n${log.next_key}\n`);
    assert.ok(signedBy(log.key, text, sigs[0]!.raw.subarray(4)) && signedBy(log.next_key, text, sigs[1]!.raw.subarray(4)));
});
