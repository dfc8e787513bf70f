// The vectors of test/golden, which the C and Python sides hold too.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
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
