import assert from "node:assert/strict";
import { test } from "node:test";
import { statements, unseen } from "../src/shown";
import type { Body, Request } from "../src/types";
import { browserWords, budgetWords, fate, headline, label, outcome, plain, windowWords } from "../src/words";

const b64u = (s: string): string => Buffer.from(s).toString("base64url");
const table = (...p: string[]) => ({ type: "Table", id: JSON.stringify(p) });
const body = (more: Partial<Body> = {}): Body => ({
    v: 1, id: "i", salt: "", requester: { type: "Person", id: "p" }, on_behalf: [], target: { type: "Target", id: '["shop"]' },
    actions: [{ action: "pg:delete", resource: table("shop", "public", "orders") }], payload: { kind: "pg-query", bytes: b64u("DELETE FROM orders") },
    settings: {}, bounds: { for_ms: 900000, uses: 1 }, why: "", ticket: "", version: 1, ...more,
});
const request = (b: Body, more: Partial<Request> = {}): Request => ({ requester: { id: "p", name: "alice" }, votes: [], status: "pending", body: b, ...more }) as unknown as Request;
const said = (b: Body): string => plain(headline(request(b), b));

test("labels are those of the server", () => {
    const rows: [string, string[], string][] = [
        ["Target", ["shop"], "shop"], ["Target", ["my-shop2"], "my-shop2"], ["Target", ["a.b/c"], '"a.b/c"'], ["Schema", ["shop", "public"], "shop/public"],
        ["Table", ["shop", "public", "orders"], "shop/public.orders"], ["Table", ["shop", "Public", 'my "table"'], 'shop/"Public"."my ""table"""'],
        ["Table", ["shop", "public", ""], 'shop/public.""'], ["Table", ["shop", "a.b", "c()"], 'shop/"a.b"."c()"'],
        ["Column", ["shop", "public", "orders", "id"], "shop/public.orders.id"], ["Function", ["shop", "public", "f"], "shop/public.f()"],
    ];
    for (const [type, id, want] of rows) assert.equal(label({ type, id: JSON.stringify(id) }), want);
    assert.equal(label({ type: "Table", id: '["shop", "public","orders"]' }), 'Table::"[\\"shop\\", \\"public\\",\\"orders\\"]"');
});

test("a headline says the most dangerous thing first, and how much it leaves out", () => {
    assert.equal(said(body()), "alice wants to DELETE from shop/public.orders");
    const t = (n: string) => table("shop", "public", n);
    const many = ["a", "b", "c"].map((n) => ({ action: "pg:select", resource: t(n) }));
    assert.equal(said(body({ actions: [...many, { action: "pg:truncate", resource: t("z") }] })), "alice wants to TRUNCATE shop/public.z and SELECT from shop/public.a, and 2 things more");
    assert.equal(said(body({ actions: [{ action: "pg:vacuum", resource: t("z") }, { action: "pg:delete", resource: t("z") }] })),
        "alice wants to pg:vacuum on shop/public.z and DELETE from shop/public.z");
});

test("a scope says for how long and how often", () => {
    const { payload: _, ...b } = body({ actions: [], scope: { actions: ["pg:write"], resources: [table("shop", "public", "orders")] }, bounds: { for_ms: 600000, uses: 0 } });
    assert.equal(said(b), "alice wants to write to shop/public.orders for 10 min");
    assert.equal(plain(outcome(request(b), b, 300000, 0)), "alice may write to shop/public.orders for 5 min at most, any number of times.");
    assert.equal(plain(outcome(request(body()), body(), 900000, 1)), "alice may run exactly this once within 15 min at most.");
});

test("what became of a request is a word or a few", () => {
    const vote = { person: "bob", decision: "approve" as const, requirement: "dba", reason: "", at: "" };
    assert.equal(fate(request(body(), { status: "approved", votes: [vote] }), "bob"), "approved by you");
    assert.equal(fate(request(body(), { status: "denied", denied_by: "carol", reason: "no" }), "bob"), "denied by carol: “no”");
    assert.equal(fate(request(body(), { status: "pending" }), "bob"), "");
});

test("what has not been shown is counted in bytes, parameters included", () => {
    const long = "x".repeat(5000) + "é";
    const b = body({ payload: { kind: "pg-batch", statements: [{ bytes: b64u(long), types: [], formats: [], params: [b64u("y".repeat(1000)), null], results: [] }] } });
    assert.equal(unseen(b, new Set()), 3002 + 700);
    assert.equal(unseen(b, new Set(["s0"])), 700);
    assert.equal(unseen(b, new Set(["s0", "s0p0"])), 0);
    assert.equal(unseen(body({ why: "w".repeat(3000) }), new Set()), 1000);
});

test("a binary integer is shown as the number it is", () => {
    const p = (hex: string, type: number) => statements(body({ payload: { kind: "pg-batch", statements: [{ bytes: "", types: [type], formats: [1], params: [Buffer.from(hex, "hex").toString("base64url")], results: [] }] } }))[0]!.params[0]!;
    assert.equal(p("fffffff9", 23).text, "-7");
    assert.equal(p("7fffffffffffffff", 20).text, "9223372036854775807");
    assert.equal(p("ffffffff", 26).text, "4294967295");
    assert.equal(p("ff", 23).text, "x'ff'");
    assert.equal(p("4e554c4c", 25).text, "NULL");
    assert.ok(p("4e554c4c", 25).quoted);
});

test("schedules and budgets are words", () => {
    assert.equal(windowWords({ days: [1, 2, 3, 4, 5], from_min: 120, for_min: 60 }), "Monday to Friday, 02:00 to 03:00 UTC");
    assert.equal(windowWords({ days: [6, 7], from_min: 1380, for_min: 120 }), "Saturday, Sunday, 23:00 to 01:00 UTC");
    assert.equal(windowWords({ days: [7, 6, 5, 4, 3, 2, 1], from_min: 0, for_min: 1440 }), "every day, 00:00 to 00:00 UTC");
    assert.equal(budgetWords({ for_ms: 1, uses: 0, rows: 100, statements: 1 }), "1 statement, 100 rows");
    assert.equal(budgetWords({ for_ms: 1, uses: 0 }), "");
});

test("a browser is said by name, and what is none as it is", () => {
    const linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
    assert.equal(browserWords(`${linux} HeadlessChrome/156.0.8078.79 Safari/537.36`), "Chrome 156 on Linux");
    assert.equal(browserWords(`${linux} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`), "Edge 140 on Linux");
    assert.equal(browserWords("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"), "Safari 18 on an iPhone");
    assert.equal(browserWords("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox 140 on Windows");
    for (const other of ["phi/0.1.0", "", "Mozilla/5.0 (something else)", "Chrome/1"]) assert.equal(browserWords(other), other);
});
