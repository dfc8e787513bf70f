import assert from "node:assert/strict";
import { test } from "node:test";
import { blank, formOf, lacking, preview, previewText, sent, type Form } from "../src/asking";
import { changeWords, diff, hunks } from "../src/change";
import { lessWords, narrowingOf, nothingLess } from "../src/ui/less";
import type { Body } from "../src/types";

const orders = { type: "Table", id: '["shop","public","orders"]' }, customers = { type: "Table", id: '["shop","public","customers"]' };
const body = {
    v: 1, id: "x", salt: "x", requester: { type: "Person", id: "p" }, on_behalf: [], target: { type: "Target", id: '["shop"]' }, actions: [], settings: {},
    scope: { actions: ["pg:write"], resources: [customers, orders] }, why: "tidy up", ticket: "OPS-1", version: 1,
    bounds: { for_ms: 600000, uses: 3, rows: 10, windows: [{ days: [1, 2], from_min: 120, for_min: 60 }] },
} as Body;
const form: Form = { ...blank, target: "shop", resources: "shop/public.orders", why: "tidy up" };

test("what is sent for a form read from a request asks for the same", () => {
    assert.deepEqual(sent(formOf(body), "edit", "x"), {
        target: "shop", why: "tidy up", for_ms: 600000, ticket: "OPS-1", uses: 3, budget: { rows: 10 }, windows: [{ days: [1, 2], for_min: 60, from_min: 120 }],
        scope: { actions: ["pg:write"], resources: ["shop/public.customers", "shop/public.orders"] },
    });
});
test("an extension names its grant and no scope, and neither it nor an edit says for whom it is or breaks the glass", () => {
    const f = { ...form, behalf: "carol", glass: true };
    assert.deepEqual(sent(f, "extend", "g1"), { target: "shop", why: "tidy up", for_ms: 600000, extends: "g1" });
    assert.equal("on_behalf" in sent(f, "edit", "r"), false);
    assert.deepEqual([sent(f, "new", "")["on_behalf"], sent(f, "new", "")["break_glass"]], [["carol"], true]);
});
test("the preview says what will be, and what lacks", () => {
    assert.equal(previewText({ ...form, uses: "3" }), "You ask to write to shop/public.orders for 10 min, at most 3 times.");
    assert.deepEqual(preview({ ...form, rows: "5", hours: [{ days: [1, 2, 3, 4, 5], from: "02:00", minutes: 60 }] }).limits,
        ["It is spent after 5 rows.", "It serves Monday to Friday, 02:00 to 03:00 UTC only."]);
    assert.match(lacking({ ...form, why: " " }), /why/);
    assert.match(lacking({ ...form, from: "2026-11-21T10:00", until: "2026-11-21T09:00" }), /before/);
    assert.equal(lacking(form), "");
});
test("a change of phi has words, and one without words of its own is said as it is", () => {
    assert.equal(changeWords({ route: "POST /v1/groups/{group}/members", params: ["dba"], body: { person: "bob" } }), "put bob into the group dba");
    assert.equal(changeWords({ route: "PUT /v1/on-call/{list}", params: ["db"], body: { people: ["bob", "carol"], for_ms: 43200000 } }), "put bob, carol, and nobody else, on call as db for 12 h");
    assert.equal(changeWords({ route: "POST /v1/odd/{x}", params: ["y"], body: null }), "POST /v1/odd/{x} of y");
});
test("a diff names what is new and what goes, and leaves out what is far away", () => {
    const was = Array.from({ length: 20 }, (_, i) => `line ${i}`), will = [...was];
    will[10] = "another";
    const d = diff(was.join("\n"), will.join("\n"))!;
    assert.deepEqual(d.filter((l) => l.is !== "same"), [{ is: "old", text: "line 10" }, { is: "new", text: "another" }]);
    assert.deepEqual(d.filter((l) => l.is !== "new").map((l) => l.text), was);
    assert.deepEqual(d.filter((l) => l.is !== "old").map((l) => l.text), will);
    assert.equal(hunks(d).filter((l) => l === null).length, 2);
    assert.equal(diff("a\n".repeat(4000) + "x", "b\n".repeat(4000)), null);
});
test("an approval of less says what is less", () => {
    const less = { ...nothingLess, rows: "3", without: ["shop/public.customers"] };
    assert.deepEqual(narrowingOf(less, body), { rows: 3, resources: [orders] });
    assert.deepEqual(lessWords(less, body), ["Only on shop/public.orders.", "At most 3 rows."]);
});
