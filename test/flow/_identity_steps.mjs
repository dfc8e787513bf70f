// Steps of identity.py in a browser: console, provider, console; then a device that asks to be signed in.
import { equal, exitCode, holds, launch, missing, ok, open, test } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - signing in in a browser: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_IDENTITY);
const browser = await launch();
const page = await open(browser, { size: "phone", allow: /status of (401|403|404)/ });
const title = (text) => page.locator("h1", { hasText: text }).waitFor({ timeout: 15000 });

await test("console, provider, console", async () => {
    await page.goto(given.url + "/");
    await title("You are not signed in");
    await page.getByRole("button", { name: "Sign in with Acme <b>" }).waitFor();
    await holds(page, "signed-out-with-provider");
    await page.getByRole("button", { name: "Sign in with Acme <b>" }).click();
    await page.locator("input[name=login]").fill("erin");
    ok(page.url().startsWith(given.issuer), `at the provider, not at ${page.url()}`);
    await page.getByRole("button", { name: "Continue" }).click();
    await title("Inbox");
    equal(new URL(page.url()).origin, given.url, "back at the console");
});

await test("the account page lists the session", async () => {
    await page.goto(given.url + "/#account");
    await title("Your account");
    await page.locator(".sessions li", { hasText: "this one" }).waitFor();
    ok((await page.locator(".sessions").innerText()).includes("by idp"), "it names the provider");
    await holds(page, "account-sessions");
});

await test("a device is confirmed by who is signed in", async () => {
    const r = await fetch(given.url + "/v1/device", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "client_name=phi+on+box" });
    const d = await r.json();
    await page.goto(d.verification_uri_complete);
    await title("Sign in a device");
    ok((await page.locator("main").innerText()).includes("phi on box"), "it says what asks");
    await holds(page, "device");
    await page.getByRole("button", { name: "Sign it in as me" }).click();
    await title("Signed in");
    const t = await fetch(given.url + "/v1/token", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: d.device_code }).toString() });
    equal(t.status, 200, await t.text());
});

await browser.close();
process.exit(exitCode());
