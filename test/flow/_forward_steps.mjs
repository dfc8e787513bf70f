// What test/flow/forward.py does in a browser: alice sends a form to the wiki behind a proxy, is led to phid's page, asks, waits
// there, and is back at the wiki by herself once bob has approved.
import { equal, exitCode, holds, launch, missing, ok, open, test, until } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - a held request in a browser: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_FORWARD);
const browser = await launch();

const bob = async (method, path, body) => {
    const r = await fetch(given.url + path, { method, headers: { Authorization: `Bearer ${given.bob}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
    return r.json();
};
const waiting = (note) => until("bob's inbox has it", async () => (await bob("GET", "/v1/requests?box=inbox&status=pending")).requests.find((r) => r.why === note), 60000);

async function sent(proxy, size, scheme, note) {
    const page = await open(browser, { size, scheme, allow: /status of (403|404)/ });
    page.setDefaultTimeout(60000);
    await page.goto(given.links.pop());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.goto(`${given.proxies[proxy]}/page`);
    equal(await page.locator("body").innerText(), "the wiki says hello to alice");
    await page.evaluate(() => {
        const form = document.body.appendChild(document.createElement("form"));
        form.method = "post";
        form.action = "/edit?x=1";
        form.submit();
    });
    await page.waitForURL(`${given.url}/held?**`);
    await page.getByLabel(/why/i).fill(note);
    await holds(page, `held-ask-${proxy}-${size}-${scheme}`);
    await page.getByRole("button").first().click();
    await page.getByText("Waiting").first().waitFor();
    await holds(page, `held-wait-${proxy}-${size}-${scheme}`);
    return page;
}

const LOOKS = [["phone", "dark"], ["desk", "light"]];
for (const proxy of Object.keys(given.proxies))
    for (const [size, scheme] of LOOKS)
        await test(`${proxy}: in a browser the page waits and goes on by itself (${size}, ${scheme})`, async () => {
            const note = `a typo, ${proxy} ${size}`;
            const page = await sent(proxy, size, scheme, note);
            const r = await waiting(note);
            const voted = await bob("POST", `/v1/requests/${r.id}/votes`, { decision: "approve", digest: r.digest, version: r.version });
            equal(voted.status, "approved");
            await page.waitForURL(`${given.proxies[proxy]}/edit?x=1`);
            equal(await page.locator("body").innerText(), "the wiki says hello to alice");
            await bob("POST", `/v1/grants/${r.code}/revoke`, { why: "done" });
            await page.context().close();
        });

await test("in a browser a denial stays on the page, with its reason", async () => {
    const note = "please";
    const page = await sent(Object.keys(given.proxies)[0], "phone", "light", note);
    const r = await waiting(note);
    await bob("POST", `/v1/requests/${r.id}/votes`, { decision: "deny", digest: r.digest, version: r.version, reason: "not today" });
    await page.getByText("not today").first().waitFor();
    ok(page.url().startsWith(`${given.url}/held`), page.url());
    await holds(page, "held-denied-phone-light");
    await page.context().close();
});
await browser.close();
process.exit(exitCode());
