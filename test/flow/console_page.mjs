#!/usr/bin/env node
// The console against a phid that says what the test wants: looks, keyboard, hostile texts, lies.
// timeout: 180
import { join } from "node:path";
import { b64u, FakePhid, makeRequest } from "../lib/fake_phid.mjs";
import { equal, exitCode, holds, launch, missing, ok, open, shot, test, top, until } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - the console's pages: ${why}`);
    process.exit(77);
}
const browser = await launch();
const scope = { actions: ["pg:write"], resources: [{ type: "Table", id: '["shop","public","orders"]' }] };

/** A fake phid and a page on it, for the length of f. */
async function on(f, options = {}) {
    const phid = await new FakePhid(join(top, "web/dist")).listen();
    const page = await open(browser, options);
    try {
        await f(phid, page);
    } catch (e) {
        await shot(page, `failed-view-${Date.now()}`);
        throw e;
    } finally {
        await page.context().close();
        phid.close();
    }
}
const fill = (phid) => {
    phid.add(makeRequest({ body: { why: "OPS-1412: customer asked to have it removed" } }));
    phid.add(makeRequest({ expires_in_ms: 42000, sql: "DO $$ BEGIN DELETE FROM orders; END $$;", body: { actions: [{ action: "pg:admin", resource: { type: "Target", id: '["shop"]' } }] } }));
    phid.add(makeRequest({ body: { payload: undefined, scope, actions: [], settings: {}, bounds: { for_ms: 600000, uses: 0 }, why: "repair of the March import" } }));
};
// Checked, shown to its end, and the keys are listened to.
const decidable = async (page) => {
    await page.getByText("from what is shown: the same").waitFor();
    await page.locator("button:enabled", { hasText: "Approve …" }).waitFor();
};

const visible = (page, text) => page.getByText(text, { exact: false }).first().waitFor();

for (const size of ["phone", "desk"]) {
    for (const scheme of ["light", "dark"]) {
        await test(`console ${size} ${scheme}: every page is accessible, fits and keeps the CSP`, () => on(async (phid, page) => {
            await page.goto(phid.url);
            await visible(page, "Nothing waits for you");
            await holds(page, "empty");
            fill(phid);
            await page.getByText("repair of the March import").waitFor();
            await holds(page, "inbox");
            await page.getByText("OPS-1412").click();
            await page.getByRole("heading", { level: 1 }).getByText("DELETE").waitFor();
            await decidable(page);
            await holds(page, "detail");
            await page.keyboard.press("a");
            await page.getByText("may run exactly this once within 15 min").waitFor();
            await holds(page, "approve");
            await shot(page, "approve-view");
            await page.keyboard.press("Escape");
            await page.keyboard.press("d");
            await page.getByLabel("Why?").waitFor();
            await holds(page, "deny");
            await page.keyboard.press("Escape");
            await page.keyboard.press("?");
            await page.getByRole("dialog").waitFor();
            await holds(page, "help-view");
            await page.keyboard.press("Escape");
            await page.getByRole("dialog").waitFor({ state: "hidden" });
            await page.keyboard.press("a");
            await page.getByRole("button", { name: "Yes, approve" }).click();
            await visible(page, "approved by you");
            await holds(page, "approved");
            for (const [key, name] of [["3", "Grants"], ["4", "Log"], ["2", "Mine"]]) {
                await page.keyboard.press(key);
                await page.getByRole("heading", { level: 1, name }).waitFor();
                await until("the page", async () => !(await page.getByText("Reading …").count()));
                await holds(page, name.toLowerCase());
            }
            await page.getByRole("button", { name: "Sign out" }).click();
            await visible(page, "You are not signed in");
            await holds(page, "signed-out");
        }, { size, scheme, allow: /401/ }));
    }
}

await test("console: a request arrives without a reload, is said aloud and counted in the title", () => on(async (phid, page) => {
    await page.goto(phid.url);
    await visible(page, "Nothing waits for you");
    equal(await page.title(), "Inbox · phi");
    const r = phid.add(makeRequest());
    await page.getByRole("link", { name: r.code }).waitFor();
    equal(await page.title(), "(1) Inbox · phi");
    await until("the announcement", async () => (await page.locator("[aria-live=polite]").textContent()).includes(`New request ${r.code}`));
}));

await test("console: one that ends leaves with a word on what became of it", () => on(async (phid, page) => {
    const cases = [["denied", { denied_by: "carol", reason: "wrong ticket" }, "denied by carol: “wrong ticket”"], ["cancelled", {}, "withdrawn by alice"],
        ["expired", {}, "expired unanswered"], ["approved", { votes: [{ person: "carol", decision: "approve", requirement: "dba", reason: "", at: "" }] }, "approved by carol"]];
    const all = cases.map(() => phid.add(makeRequest()));
    await page.goto(phid.url);
    await page.getByRole("link", { name: all[3].code }).waitFor();
    for (const [i, [status, more]] of cases.entries()) phid.end(all[i], status, more);
    for (const [i, [, , words]] of cases.entries()) await page.locator(".line", { hasText: all[i].code }).getByText(words).waitFor();
    equal(await page.title(), "Inbox · phi");
}));

await test("console: the keyboard alone approves, and what is sent is the digest that was computed here", () => on(async (phid, page) => {
    const first = phid.add(makeRequest()), second = phid.add(makeRequest({ sql: "DELETE FROM orders WHERE id = 8;" }));
    await page.goto(phid.url);
    await page.getByRole("link", { name: second.code }).waitFor();
    for (const key of ["j", "j", "k", "j", "Enter"]) await page.keyboard.press(key);
    await page.getByText("id = 8", { exact: false }).or(page.locator(".sql-number", { hasText: "8" })).first().waitFor();
    await decidable(page);
    await page.keyboard.press("a");
    await page.getByRole("button", { name: "Yes, approve" }).waitFor();
    await page.keyboard.press("Enter");
    await visible(page, "approved by you");
    equal(JSON.stringify(phid.votes), JSON.stringify([{ digest: second.digest, version: 1, decision: "approve", requirement: "dba" }]));
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: first.code }).waitFor();
}));

await test("console: the keyboard alone denies, and not without a reason", () => on(async (phid, page) => {
    const r = phid.add(makeRequest());
    await page.goto(phid.url);
    await page.getByRole("link", { name: r.code }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await decidable(page);
    await page.keyboard.press("d");
    await page.getByLabel("Why?").waitFor();
    await page.keyboard.press("Enter");
    ok(await page.getByRole("button", { name: "Deny", exact: true }).isDisabled(), "denied without a reason");
    await page.keyboard.type("wrong ticket, jkad?");
    await page.keyboard.press("Enter");
    await visible(page, "denied by you");
    equal(phid.votes[0].reason, "wrong ticket, jkad?");
    equal(phid.votes.length, 1);
}));

await test("console: an approval can be narrowed to less time", () => on(async (phid, page) => {
    const r = phid.add(makeRequest());
    await page.goto(`${phid.url}/r/${r.code}`);
    await decidable(page);
    await page.keyboard.press("a");
    await page.getByLabel("For how long").selectOption("300000");
    await page.getByText("once within 5 min").waitFor();
    await page.getByRole("button", { name: "Yes, approve" }).click();
    await visible(page, "approved by you");
    equal(JSON.stringify(phid.votes[0].narrowing), '{"for_ms":300000}');
}));

await test("console: a body that has another digest is said loudly and cannot be approved", () => on(async (phid, page) => {
    const r = makeRequest();
    r.body.payload.bytes = b64u("DELETE FROM orders;");
    phid.add(r);
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByRole("alert").getByText("Approve is off").waitFor();
    ok(await page.getByRole("button", { name: "Approve …" }).isDisabled(), "approve is on");
    await page.keyboard.press("a");
    equal(await page.getByRole("button", { name: "Yes, approve" }).count(), 0, "the confirm");
    equal(phid.votes.length, 0);
    await holds(page, "mismatch");
}));

await test("console: another request's body under this request's name cannot be approved", () => on(async (phid, page) => {
    const r = makeRequest();
    phid.add({ ...r, id: "0198a6b0-1111-7abc-8def-00000000ffff" });
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByRole("alert").getByText("belongs to another request").waitFor();
    ok(await page.getByRole("button", { name: "Approve …" }).isDisabled(), "approve is on");
}));

await test("attack_05_console shows bidi and invisible characters escaped", () => on(async (phid, page) => {
    const r = phid.add(makeRequest({ sql: "DELETE FROM \u202eorders\u2066 WHERE id\u200b = '\u00a0\ufeff' -- \\u{202e}", requester: { id: "0198a6b0-0000-7000-8000-00000000a11c", name: "al\u202eice" } }));
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByText("from what is shown: the same").waitFor();
    const text = await page.locator("body").innerText();
    ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/.test(text), "an invisible character is on the page");
    for (const part of ["\\u{202e}orders\\u{2066}", "id\\u{200b}", "'\\xa0\\u{feff}'", "-- \\\\u{202e}", "al\\u{202e}ice"]) ok(text.includes(part), `${part} is not shown`);
    await holds(page, "hidden");
}, { size: "phone" }));

await test("attack_07_console cuts nothing without saying so, and approves only what was shown", () => on(async (phid, page) => {
    const sql = "SELECT 1 /* " + "x".repeat(1024 * 1024 - 60) + " */; DELETE FROM orders;";
    const r = phid.add(makeRequest({ sql }));
    const lines = phid.add(makeRequest({ sql: "SELECT 1;" + "\n".repeat(500) + "DROP TABLE orders;" }));
    await page.goto(`${phid.url}/r/${lines.code}`);
    await page.getByRole("button", { name: /^[0-9]+ more bytes — show all$/ }).waitFor();
    ok(await page.getByRole("button", { name: "Approve …" }).isDisabled(), "approve is on with 500 empty lines folded");
    await page.goto(`${phid.url}/r/${r.code}`);
    const more = page.getByRole("button", { name: `${(sql.length - 2000).toLocaleString("en")} more bytes — show all` });
    await more.waitFor();
    await page.keyboard.press("a");
    ok(await page.getByRole("button", { name: "Approve …" }).isDisabled(), "approve is on before all was shown");
    await more.click();
    await until("the tail", async () => (await page.locator(".sheet").textContent()).includes("DELETE FROM orders;"));
    await until("approve", async () => page.getByRole("button", { name: "Approve …" }).isEnabled());
}));

await test("attack_08_console keeps markup as text", () => on(async (phid, page) => {
    const evil = ['<img src=x onerror="window.hit=1">', "<script>window.hit=1</script>", '"><svg onload=window.hit=1>', "javascript:window.hit=1", "{{7*7}}", "&lt;b&gt;"];
    for (const e of evil)
        phid.add(makeRequest({ sql: `SELECT '${e}'`, requester: { id: "0198a6b0-0000-7000-8000-00000000a11c", name: e }, from: { addr: e, application: e }, policies: [{ id: e, why: e }],
            body: { why: e, ticket: e, settings: { [e]: e }, actions: [{ action: "pg:select", resource: { type: "Table", id: JSON.stringify(["shop", "public", e]) } }] } }));
    await page.goto(phid.url);
    await page.getByText(evil[0]).first().waitFor();
    for (const r of phid.requests) {
        await page.goto(`${phid.url}/r/${r.code}`);
        await page.getByText("from what is shown: the same").waitFor();
        ok((await page.locator("main").innerText()).includes(r.requester.name), "the text is not shown as it is");
    }
    equal(await page.evaluate(() => window.hit), undefined);
    equal(await page.locator("main img, main svg, main script").count(), 0, "elements made from text");
    await holds(page, "markup");
}));

await test("console: who may not decide reads why", () => on(async (phid, page) => {
    const r = phid.add(makeRequest({ can: { approve: false, deny: false, cancel: false, why_not: "you are the requester" } }));
    await page.goto(`${phid.url}/r/${r.code}`);
    await visible(page, "You cannot decide this: you are the requester");
    await page.keyboard.press("a");
    equal(await page.getByRole("button", { name: /approve/i }).count(), 0, "approve buttons");
}));

await test("console: bound parameters are shown with their types' meaning", () => on(async (phid, page) => {
    const statement = { bytes: b64u("DELETE FROM orders WHERE id = $1 AND note = $2 AND x = $3 AND y = $4"), types: [23, 25, 0, 17], formats: [1, 0, 0, 1],
        params: [Buffer.from([0, 0, 0, 7]).toString("base64url"), b64u("NULL"), null, Buffer.from([0xff, 0]).toString("base64url")], results: [1] };
    const r = phid.add(makeRequest({ body: { payload: { kind: "pg-batch", statements: [statement, { ...statement, bytes: b64u("SELECT 2"), params: [], types: [], formats: [] }] } } }));
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByText("The 2 statements, in this order").waitFor();
    const shown = await page.locator(".params").first().innerText();
    for (const part of ["$1 7 (binary x'00000007')", "$2 'NULL'", "$3 NULL", "$4 x'ff00' (binary)"]) ok(shown.includes(part), `${part} is not in ${shown}`);
    await holds(page, "batch");
}, { size: "phone" }));

await test("console: a lost connection is said, and what was missed is there afterwards", () => on(async (phid, page) => {
    await page.goto(phid.url);
    await visible(page, "Nothing waits for you");
    await page.getByText("live", { exact: true }).waitFor();
    phid.cut();
    await visible(page, "Not connected to phi");
    const r = phid.add(makeRequest());
    await page.getByRole("link", { name: r.code }).waitFor();
    await page.getByText("live", { exact: true }).waitFor();
}, { allow: /ERR_/ }));

await test("console: of many hidden tabs one listens, and a tab that is seen again is up to date", () => on(async (phid, page) => {
    const hide = (p, hidden) => p.evaluate((state) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, value: state });
        document.dispatchEvent(new Event("visibilitychange"));
    }, hidden ? "hidden" : "visible");
    const pages = [page, await page.context().newPage(), await page.context().newPage()];
    for (const p of pages) await p.goto(phid.url);
    await until("three streams", () => phid.listeners === 3);
    for (const p of pages) await hide(p, true);
    await until("one stream", () => phid.listeners === 1);
    const r = phid.add(makeRequest());
    await until("one title", async () => (await Promise.all(pages.map((p) => p.title()))).filter((t) => t.startsWith("(1)")).length === 1);
    for (const p of pages) await hide(p, false);
    for (const p of pages) await p.getByRole("link", { name: r.code }).waitFor();
    await until("three streams", () => phid.listeners === 3);
}));

await test("console: a request that is edited under the reader's eyes has to be read again", () => on(async (phid, page) => {
    const r = phid.add(makeRequest());
    await page.goto(`${phid.url}/r/${r.code}`);
    await decidable(page);
    await page.keyboard.press("a");
    await page.getByRole("button", { name: "Yes, approve" }).waitFor();
    const fresh = makeRequest({ sql: "DELETE FROM orders WHERE id = 70;", body: { id: r.id, version: 2 } });
    Object.assign(r, { ...fresh, code: r.code });
    phid.tell(r);
    await page.locator(".sql-number", { hasText: "70" }).waitFor();
    equal(await page.getByRole("button", { name: "Yes, approve" }).count(), 0, "the confirm");
    await page.getByText("edited: version 2").waitFor();
}));

await test("console: an error says how to mend it", () => on(async (phid, page) => {
    const r = phid.add(makeRequest());
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByText("from what is shown: the same").waitFor();
    await page.getByRole("button", { name: /^Approve/ }).click(); // waits until it can be
    await page.getByRole("button", { name: "Yes, approve" }).waitFor();
    r.status = "expired"; // and nobody was told yet
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("There is nothing left to decide.").waitFor();
    await page.goto(`${phid.url}/r/NO-CODE`);
    await visible(page, "There is no such request, or you may not see it.");
    await holds(page, "no-such");
}, { allow: /40[49]/ }));

for (const [size, scheme] of [["phone", "dark"], ["desk", "light"]]) {
    await test(`console ${size} ${scheme}: somebody asks by a form that says first what will be`, () => on(async (phid, page) => {
        await page.goto(`${phid.url}/#mine`);
        await page.getByRole("heading", { level: 1, name: "Mine" }).waitFor();
        await page.keyboard.press("n");
        await page.getByRole("heading", { level: 1, name: "Ask" }).waitFor();
        await page.getByText("Choose a target.").waitFor();
        ok(await page.getByRole("button", { name: "Ask for this" }).isDisabled(), "it can be sent empty");
        await page.getByLabel("Target").selectOption("shop");
        await page.getByLabel("On what, one a line").fill("shop/public.orders");
        await page.getByLabel("Why? Those who decide read this.").fill("repair of the March import");
        await page.getByText("You ask to write to shop/public.orders for 10 min, any number of times.").waitFor();
        await page.getByText("Ticket, limits, hours and people").click();
        await page.getByLabel("At most so many rows").fill("100");
        await page.getByRole("button", { name: "Only at certain hours each week …" }).click();
        await page.getByLabel("Saturday").uncheck();
        await page.getByLabel("Sunday").uncheck();
        await page.getByText("It serves Monday to Friday, 02:00 to 03:00 UTC only.").waitFor();
        await page.getByLabel("You act for (names, with commas)").fill("carol");
        await page.getByText("You act for carol: each of them must be permitted too").waitFor();
        await holds(page, "ask");
        await page.getByRole("button", { name: "Ask for this" }).click();
        await page.getByText("you are the requester").waitFor();
        equal(JSON.stringify(phid.asks), JSON.stringify([["POST", "/v1/requests", { target: "shop", why: "repair of the March import", for_ms: 600000,
            scope: { actions: ["pg:write"], resources: ["shop/public.orders"] }, budget: { rows: 100 }, windows: [{ days: [1, 2, 3, 4, 5], for_min: 60, from_min: 120 }], on_behalf: ["carol"] }]]));
    }, { size, scheme }));

    await test(`console ${size} ${scheme}: a change of phi says in words what it does, and a policy what would be other`, () => on(async (phid, page) => {
        const change = (route, params, body) => ({ payload: { kind: "phi-change", bytes: b64u(JSON.stringify({ body, params, route })) }, settings: {}, actions: [{ action: "phi::policy", resource: { type: "Target", id: '["phi"]' } }], target: { type: "Target", id: '["phi"]' } });
        const lines = (n) => Array.from({ length: n }, (_, i) => `// line ${i}`).join("\n");
        phid.bundle = { policies: `${lines(12)}\npermit (principal, action, resource);\n${lines(12)}`, requirements: "dba: {}\n", schema: "entity Person;\n", version: 3 };
        const policies = phid.bundle.policies.replace("permit (principal, action, resource);", "forbid (principal, action, resource);");
        const r = phid.add(makeRequest({ body: change("PUT /v1/bundle", [], { ...phid.bundle, version: undefined, policies }) }));
        const g = phid.add(makeRequest({ body: change("POST /v1/groups/{group}/members", ["dba"], { person: "mallory" }) }));
        await page.goto(phid.url);
        await page.getByText("change phi: put mallory into the group dba").waitFor();
        await page.goto(`${phid.url}/r/${r.code}`);
        await page.locator(".diff .new", { hasText: "forbid (principal" }).waitFor();
        await page.locator(".diff .old", { hasText: "permit (principal" }).waitFor();
        equal(await page.locator(".diff p").count(), 8, "lines of the comparison"); // the two, two around each, and two gaps
        await page.getByText("schema stay as they are").waitFor();
        await holds(page, "policy-change");
        await page.goto(`${phid.url}/r/${g.code}`);
        await decidable(page);
        await page.keyboard.press("a");
        await page.getByText("phi does it at once, as alice: put mallory into the group dba.").waitFor();
        await holds(page, "group-change");
    }, { size, scheme }));

    await test(`console ${size} ${scheme}: an approver approves fewer things, rows and hours than were asked`, () => on(async (phid, page) => {
        const two = { actions: ["pg:write"], resources: [{ type: "Table", id: '["shop","public","customers"]' }, { type: "Table", id: '["shop","public","orders"]' }] };
        const r = phid.add(makeRequest({ body: { payload: undefined, scope: two, actions: [], settings: {}, bounds: { for_ms: 600000, uses: 0 } } }));
        await page.goto(`${phid.url}/r/${r.code}`);
        await decidable(page);
        await page.keyboard.press("a");
        await page.getByText("Approve less than was asked").click();
        await page.getByLabel("shop/public.customers").uncheck();
        await page.getByLabel("At most so many rows").fill("5");
        await page.getByText("Only on shop/public.orders.").waitFor();
        await page.getByText("At most 5 rows.").waitFor();
        ok(await page.getByLabel("shop/public.orders").isDisabled(), "the last thing can be taken away");
        await holds(page, "less");
        await page.getByRole("button", { name: "Yes, approve" }).click();
        await visible(page, "approved by you");
        equal(JSON.stringify(phid.votes[0].narrowing), JSON.stringify({ rows: 5, resources: [two.resources[1]] }));
    }, { size, scheme }));
}

await test("console: one's own grant goes on for longer, is given back, and says what is left of it", () => on(async (phid, page) => {
    const bob = { id: "b0b", name: "bob" };
    const r = phid.add(makeRequest({ requester: bob, body: { payload: undefined, scope, actions: [], settings: {}, bounds: { for_ms: 600000, uses: 3 }, why: "first" } }));
    const grant = { id: "0198a6b0-2222-7abc-8def-000000000001", request: r.id, code: r.code, principal: bob, target: "shop", status: "ready", uses: 3, used: 1, remaining_ms: 60000, scope, summary: r.summary,
        begins_in_ms: 0, first_use_ms: 0, budget: { statements: 0, rows: 10, bytes: 0 }, spent: { statements: 0, rows: 4, bytes: 0 }, windows: [{ days: [6, 7], from_min: 60, for_min: 30 }], review: "" };
    phid.grants.push(grant);
    phid.end(r, "approved", { grant });
    await page.goto(`${phid.url}/#grants`);
    await page.getByText("6 rows of 10 left").waitFor();
    await page.getByText("only Saturday, Sunday, 01:00 to 01:30 UTC").waitFor();
    await holds(page, "own-grants");
    await page.getByRole("link", { name: "Go on for longer …" }).click();
    await page.getByText("A new request, bound to your grant").waitFor();
    await page.getByLabel("Why? Those who decide read this.").fill("not done yet");
    await holds(page, "extend");
    await page.getByRole("button", { name: "Ask for this" }).click();
    await until("the ask", () => phid.asks.length === 1);
    equal(phid.asks[0][2].extends, grant.id);
    equal(phid.asks[0][2].scope, undefined);
    await page.waitForURL(/\/r\//); // it goes to what was asked by itself
    await page.goto(`${phid.url}/#grants`);
    await page.getByRole("button", { name: "Give back" }).click();
    await page.getByRole("button", { name: "Give it back now" }).click();
    await page.locator(".done", { hasText: "Given back. What ran on it is cut." }).waitFor();
    equal(phid.asks[1][1], "return");
}, { size: "phone" }));

await test("console: one's own pending request is changed by the same form", () => on(async (phid, page) => {
    const bob = { id: "b0b", name: "bob" }, can = { approve: false, deny: false, cancel: true, why_not: "you are the requester" };
    const r = phid.add(makeRequest({ requester: bob, can, body: { payload: undefined, scope, actions: [], settings: {}, bounds: { for_ms: 600000, uses: 2, rows: 9 }, why: "first" } }));
    await page.goto(`${phid.url}/r/${r.code}`);
    await page.getByRole("link", { name: "Change it …" }).click();
    await page.getByRole("heading", { level: 1, name: "Change what you asked" }).waitFor();
    equal(await page.getByLabel("On what, one a line").inputValue(), "shop/public.orders");
    equal(await page.getByLabel("At most so many rows").inputValue(), "9");
    await page.getByLabel("For how long").selectOption("300000");
    await holds(page, "edit");
    await page.getByRole("button", { name: "Change it", exact: true }).click();
    await until("the change", () => phid.asks.length === 1);
    equal(JSON.stringify(phid.asks[0]), JSON.stringify(["PUT", `/v1/requests/${r.id}`, { target: "shop", why: "first", for_ms: 300000, scope: { actions: ["pg:write"], resources: ["shop/public.orders"] }, uses: 2, budget: { rows: 9 } }]));
}));

await test("console: an ask that is refused, or needs nobody, says so and keeps what was written", () => on(async (phid, page) => {
    await page.goto(`${phid.url}/#ask`);
    await page.getByLabel("Target").selectOption("shop");
    await page.getByLabel("On what, one a line").fill("shop");
    for (const [why, says] of [["no", "No policy lets you do this."], ["free", "This needs no approval: just do it."]]) {
        await page.getByLabel("Why? Those who decide read this.").fill(why);
        await page.getByRole("button", { name: "Ask for this" }).click();
        await page.getByRole("alert").getByText(says).waitFor();
        equal(await page.getByLabel("On what, one a line").inputValue(), "shop");
    }
}, { allow: /403/ }));

await browser.close();
process.exit(exitCode());
