// What test/flow/console.py does in the browser: bob decides in the console what alice tries with psql.
import { spawn } from "node:child_process";
import { equal, exitCode, holds, launch, missing, ok, open, test, until } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - the console in a browser: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_CONSOLE);
const browser = await launch();

/** A program in the background: what it said so far, and its end. */
function run(cmd, ...args) {
    const child = spawn(cmd, args, { stdio: ["ignore", "pipe", "pipe"] });
    const p = { said: "", child, ended: new Promise((r) => child.on("close", (code) => r(code))) };
    for (const s of [child.stdout, child.stderr]) s.setEncoding("utf8").on("data", (t) => (p.said += t));
    return p;
}
/** A statement of alice's that is held; answers it with its request's code. */
async function held(sql) {
    const p = run(...given.psql.flatMap((a) => (a === "-q" ? [] : a === "-c" ? [a, sql] : [a]))); // without -q: it is to say DELETE 1
    const m = await until("the notice", () => /phi ([0-9A-Z]{3}-[0-9A-Z]{3}) is waiting/.exec(p.said) ?? (p.child.exitCode !== null && Promise.reject(new Error(p.said))), 10000);
    return Object.assign(p, { code: m[1] });
}
/** alice asks for a scope with the CLI; answers the code. */
async function asked(reason) {
    const p = run(given.phi, "request", "pg:write", "shop/public.orders", "--for", "10m", "-m", reason);
    return (await until("the code", () => /([0-9A-Z]{3}-[0-9A-Z]{3})/.exec(p.said) ?? (p.child.exitCode !== null && Promise.reject(new Error(p.said))), 10000))[1];
}
async function signIn(name, options) {
    const page = await open(browser, options);
    await page.goto(given.links[name].pop());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Inbox" }).waitFor().catch(async (e) => {
        throw new Error(`${e.message}\n${page.url()}: ${await page.locator("body").innerText()}`);
    });
    return page;
}
const line = (page, code) => page.locator(".line", { hasText: code });
const same = async (page) => { // checked, shown to its end, and the keys are listened to
    await page.getByText("from what is shown: the same").waitFor();
    await page.locator("button:enabled", { hasText: "Approve …" }).waitFor();
};

let bob;
await test("console: a one-time link signs in with one button, and the pages come with a strict CSP", async () => {
    bob = await signIn("bob", { size: "desk" });
    const answer = await bob.context().request.get(given.url + "/");
    const csp = answer.headers()["content-security-policy"] ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
        ok(csp.includes(part), `${part} is not in ${csp}`);
    ok(!csp.includes("unsafe"), csp);
    await bob.getByText("Nothing waits for you").waitFor();
    await bob.getByText("live", { exact: true }).waitFor();
    await holds(bob, "real-empty");
});

await test("console: bob approves alice's DELETE by keyboard and her psql prints DELETE 1", async () => {
    const p = await held("DELETE FROM orders WHERE id = 7;");
    await bob.getByRole("link", { name: p.code }).waitFor();
    equal(await bob.title(), "(1) Inbox · phi");
    await bob.keyboard.press("j");
    await bob.keyboard.press("Enter");
    await bob.getByRole("heading", { level: 1, name: "alice wants to DELETE from shop/public.orders" }).waitFor();
    await same(bob);
    equal(await bob.locator(".sheet").innerText(), "DELETE FROM orders WHERE id = 7;");
    await holds(bob, "real-detail");
    await bob.keyboard.press("a");
    await bob.getByText("may run exactly this once within 15 min at most.").waitFor();
    await bob.keyboard.press("Enter");
    await bob.getByText("approved by you").first().waitFor();
    equal(await p.ended, 0, p.said);
    ok(p.said.includes("DELETE 1"), p.said);
    await bob.getByText("used up, 1 of 1 use spent").waitFor();
    await holds(bob, "real-approved");
    await bob.keyboard.press("Escape");
    await bob.getByRole("heading", { level: 1, name: "Inbox" }).waitFor();
});

await test("console: bob denies by keyboard and alice's psql says why", async () => {
    const p = await held("DELETE FROM orders WHERE id = 8;");
    await bob.getByRole("link", { name: p.code }).click();
    await same(bob);
    await bob.keyboard.press("d");
    await bob.getByLabel("Why?").waitFor();
    await bob.keyboard.type("wrong ticket");
    await bob.keyboard.press("Enter");
    await bob.getByText("denied by you").first().waitFor();
    ok((await p.ended) !== 0 && p.said.includes("wrong ticket"), p.said);
    await bob.keyboard.press("Escape");
});

await test("console: a request whose psql goes away leaves the inbox and says so", async () => {
    const p = await held("DELETE FROM orders WHERE id = 9;");
    await bob.getByRole("link", { name: p.code }).waitFor();
    p.child.kill("SIGINT");
    await line(bob, p.code).getByText("withdrawn by alice").waitFor();
    equal(await bob.title(), "Inbox · phi");
    await p.ended;
});

await test("console: alice asks by the form, changes it, bob approves what it is then, and she goes on from it", async () => {
    const alice = await signIn("alice", { size: "phone", scheme: "dark" });
    await alice.goto(`${given.url}/#ask`);
    await alice.getByLabel("Target").selectOption("shop");
    await alice.getByLabel("On what, one a line").fill("shop/public.orders");
    await alice.getByLabel("Why? Those who decide read this.").fill("repair by the form");
    await alice.getByText("Ticket, limits, hours and people").click();
    await alice.getByLabel("At most so many rows").fill("50");
    await alice.getByRole("button", { name: "Ask for this" }).click();
    await alice.getByRole("link", { name: "Change it …" }).click();
    await alice.getByLabel("At most so many rows").fill("20");
    await alice.getByRole("button", { name: "Change it", exact: true }).click();
    await alice.getByText("edited: version 2").waitFor();
    const code = await alice.locator(".crumbs .code").textContent();
    await bob.goto(`${given.url}/r/${code}`);
    await same(bob);
    await bob.getByText("20 rows").waitFor();
    await bob.keyboard.press("a");
    await bob.getByRole("button", { name: "Yes, approve" }).click();
    await bob.getByText("approved by you").first().waitFor();
    await alice.getByRole("link", { name: "Go on for longer …" }).click();
    await alice.getByLabel("Why? Those who decide read this.").fill("not done yet");
    await holds(alice, "real-extend");
    await alice.getByRole("button", { name: "Ask for this" }).click();
    await alice.getByText("Goes on from").waitFor();
    await alice.getByText("20 rows").waitFor(); // carried over, though nobody said it
    await alice.getByRole("button", { name: "Withdraw this request" }).click();
    await alice.getByText("withdrawn by").first().waitFor();
    await alice.keyboard.press("3");
    await alice.getByRole("button", { name: "Give back" }).click();
    await alice.getByRole("button", { name: "Give it back now" }).click();
    await alice.locator(".done", { hasText: "Given back." }).waitFor();
    await bob.getByText("The grant is given back").waitFor();
    await bob.keyboard.press("1");
    await alice.context().close();
});

await test("console: alice sees her own under Mine, cannot decide it, and withdraws it", async () => {
    const alice = await signIn("alice", { size: "phone", scheme: "dark" });
    const code = await asked("clean-up of March");
    await alice.getByText("Nothing waits for you").waitFor();
    await alice.keyboard.press("2");
    await alice.getByRole("link", { name: code }).click();
    await alice.getByText("You cannot decide this").waitFor();
    equal(await alice.getByRole("button", { name: /approve/i }).count(), 0, "approve buttons");
    await holds(alice, "real-own");
    await alice.getByRole("button", { name: "Withdraw this request" }).click();
    await alice.getByText("withdrawn by alice").first().waitFor();
    await line(bob, code).getByText("withdrawn by alice").waitFor();
    await alice.context().close();
});

await test("console: bob approves a scope for less time, and revokes the grant", async () => {
    const code = await asked("repair of order 9");
    await bob.getByRole("link", { name: code }).click();
    await bob.getByRole("heading", { level: 1, name: "alice wants to write to shop/public.orders for 10 min" }).waitFor();
    await same(bob);
    await bob.keyboard.press("a");
    await bob.getByLabel("For how long").selectOption("300000");
    await bob.getByRole("button", { name: "Yes, approve" }).click();
    await bob.getByText("approved by you").first().waitFor();
    await bob.getByText(/The grant is ready.*4 min 5\d s left/).waitFor();
    await bob.keyboard.press("3");
    await bob.getByRole("button", { name: `Revoke ${code}` }).click();
    await bob.getByLabel("Why revoke it?").fill("enough");
    await holds(bob, "real-revoke");
    await bob.getByRole("button", { name: "Revoke now" }).click();
    await line(bob, code).getByText("revoked,").waitFor();
    await holds(bob, "real-grants");
});

await test("console: what needs two DBAs waits for the second after the first, and says for whom", async () => {
    const p = await held("ALTER TABLE orders ADD COLUMN gift text;");
    await bob.keyboard.press("1");
    await bob.getByRole("link", { name: p.code }).click();
    await same(bob);
    await bob.keyboard.press("a");
    await bob.getByText("Yours is one of 2 approvals that are missing for two-dbas").waitFor();
    await bob.keyboard.press("Enter");
    await bob.getByText("Your approval counts. It waits for 1 more two-dbas (carol).").waitFor();
    await holds(bob, "real-two");
    await bob.keyboard.press("Escape");
    const carol = await signIn("carol", {});
    await carol.getByRole("link", { name: p.code }).click();
    await same(carol);
    await carol.keyboard.press("a");
    await carol.getByRole("button", { name: "Yes, approve" }).waitFor();
    await carol.keyboard.press("Enter");
    await carol.getByText("approved by bob, you").first().waitFor();
    equal(await p.ended, 0, p.said);
    await carol.context().close();
});

await test("console: the log shows each step under a signed head", async () => {
    await bob.keyboard.press("4");
    for (const ev of ["request.approved", "grant.claimed", "request.denied", "request.cancelled", "grant.revoked"]) await bob.getByText(ev, { exact: true }).first().waitFor();
    await until("the signed head", async () => /— \S+ \S{60,}/.test(await bob.locator("pre").innerText()));
    await holds(bob, "real-log");
});

for (const [size, scheme] of [["phone", "light"], ["phone", "dark"]]) {
    await test(`console: pages of a real phid fit and are accessible, ${size} ${scheme}`, async () => {
        const page = await signIn("bob", { size, scheme });
        const p = await held("UPDATE orders SET status = 'lost' WHERE id IN (SELECT id FROM orders WHERE customer_id = 3);");
        await page.getByRole("link", { name: p.code }).waitFor();
        await holds(page, "real-inbox");
        await page.getByRole("link", { name: p.code }).click();
        await same(page);
        await holds(page, "real-held");
        await page.getByRole("button", { name: "Deny …" }).click();
        await page.getByLabel("Why?").fill("no");
        await holds(page, "real-deny");
        await page.getByRole("button", { name: "Deny", exact: true }).click();
        await page.getByText("denied by you").first().waitFor();
        await p.ended;
        equal(await page.getByText("nobody may").count(), 0, "of a request that is over it is said that nobody may approve it");
        for (const key of ["2", "3", "4"]) {
            await page.keyboard.press(key);
            await until("the page", async () => !(await page.getByText("Reading …").count()));
            await holds(page, `real-tab${key}`);
        }
        await page.context().close();
    });
}

await test("console: signing out ends the session in the server too", async () => {
    const cookies = await bob.context().cookies();
    bob.wrong.length = 0;
    await bob.getByRole("button", { name: "Sign out" }).click();
    await bob.getByRole("heading", { level: 1, name: "You are not signed in" }).waitFor();
    const again = await fetch(given.url + "/v1/whoami", { headers: { cookie: cookies.map((c) => `${c.name}=${c.value}`).join("; ") } });
    equal(again.status, 401);
});

await browser.close();
process.exit(exitCode());
