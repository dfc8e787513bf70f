// Steps of passkeys.py, in a browser with a virtual authenticator.
import { createServer } from "node:http";
import { equal, exitCode, launch, missing, ok, open, shot, test, until } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - passkeys in a browser: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_PASSKEYS);
const browser = await launch();
const page = await open(browser, { allow: /status of (401|403|409)/ });
const cdp = await page.context().newCDPSession(page);
await cdp.send("WebAuthn.enable");
const addKey = async (transport) => (await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
})).authenticatorId;
const key = await addKey("internal");
const title = (text) => page.locator("h1", { hasText: text }).waitFor({ timeout: 15000 });
const api = (method, path, body) => page.evaluate(async ([m, p, b]) => {
    const who = await fetch("/v1/whoami");
    const csrf = who.ok ? (await who.json()).csrf : "";
    const r = await fetch(p, { method: m, headers: { "X-Phi-CSRF": csrf, ...(b ? { "Content-Type": "application/json" } : {}) }, ...(b ? { body: JSON.stringify(b) } : {}) });
    return { status: r.status, json: r.status === 204 ? null : await r.json() };
}, [method, path, body]);

async function useLink(link) {
    await page.goto(link);
    await page.locator("button").click();
    await title("Inbox");
}
async function toAccount() {
    await page.goto(given.url + "/#account");
    await title("Your account");
}
async function register(name) {
    await page.locator("#keyname").fill(name);
    await page.getByRole("button", { name: "Register a passkey" }).click();
    await page.locator(".passkeys li", { hasText: name }).waitFor({ timeout: 15000 });
}
async function signOut() {
    await page.getByRole("button", { name: "Sign out" }).click();
    await title("You are not signed in");
}

let bobs = [];
await test("the first administrator comes in by a one-time link and registers a passkey", async () => {
    await useLink(given.links.bob[0]);
    await toAccount();
    await register("my laptop");
    bobs = (await cdp.send("WebAuthn.getCredentials", { authenticatorId: key })).credentials.map((c) => c.credentialId);
    await shot(page, "passkeys-account");
});

await test("the last passkey stays", async () => {
    const { json } = await api("GET", "/v1/passkeys");
    equal(json.passkeys.length, 1, "passkeys");
    equal((await api("DELETE", `/v1/passkeys/${json.passkeys[0].id}`)).json.code, "passkey.last");
});

await test("the same authenticator is not registered twice", async () => {
    await page.locator("#keyname").fill("again");
    await page.getByRole("button", { name: "Register a passkey" }).click();
    await page.locator(".bad", { hasText: "registered already" }).waitFor({ timeout: 15000 });
});

let sent = null;
await test("signing in takes the passkey and nothing else", async () => {
    await signOut();
    await shot(page, "passkeys-signin");
    page.on("request", (r) => { if (r.method() === "POST" && r.url().endsWith("/v1/sessions/passkey")) sent = r.postDataJSON(); });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor({ timeout: 15000 });
    ok(sent && sent.sig, "the browser sent an answer");
});

await test("the same answer again signs nobody in", async () => {
    await signOut();
    const got = await api("POST", "/v1/sessions/passkey", sent);
    equal(got.status, 403);
    equal(got.json.code, "passkey.refused");
});

await test("an authenticator that does not make sure who it is does not do", async () => {
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: key, isUserVerified: false });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.locator(".bad").waitFor({ timeout: 15000 });
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: key, isUserVerified: true });
    equal((await api("GET", "/v1/whoami")).status, 401);
});

await test("attack_33 a look-alike page gets an answer that phi refuses", async () => {
    // The best that a look-alike can have: the very host (so that the browser gives it the key), another port.
    const server = createServer((_, r) => r.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>phi</title>")).listen(0, "localhost");
    await new Promise((r) => server.on("listening", r));
    const { publicKey } = await (await fetch(given.url + "/v1/sessions/passkey/options", { method: "POST" })).json();
    await page.goto(`http://localhost:${server.address().port}/`);
    const answer = await page.evaluate(async (o) => {
        const un = (s) => Uint8Array.from(atob(s.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
        const b = (x) => btoa(String.fromCharCode(...new Uint8Array(x))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
        const got = await navigator.credentials.get({ publicKey: { challenge: un(o.challenge), rpId: o.rpId, userVerification: "required" } });
        const r = got.response;
        return { id: b(got.rawId), client: b(r.clientDataJSON), auth: b(r.authenticatorData), sig: b(r.signature) };
    }, publicKey);
    const got = await fetch(given.url + "/v1/sessions/passkey", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(answer) });
    equal(got.status, 403);
    const p = await got.json();
    equal(p.code, "passkey.refused");
    ok(p.detail.includes("localhost:" + server.address().port), `it says for whom it was given: ${p.detail}`);
    server.close();
});

await test("attack_33 a page under another name does not even get an answer", async () => {
    const server = createServer((_, r) => r.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>phi</title>")).listen(0, "127.0.0.1");
    await new Promise((r) => server.on("listening", r));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const said = await page.evaluate(async () => {
        try {
            await navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: "localhost", userVerification: "required" } });
            return "an answer";
        } catch (e) {
            return e.name;
        }
    });
    equal(said, "SecurityError");
    server.close();
});

await test("a stolen session registers no key of its own", async () => {
    await page.goto(given.url + "/");
    await useLink(given.links.bob[1]); // a session that showed no passkey
    const got = await api("POST", "/v1/passkeys/options");
    equal(got.json.code, "passkey.show");
    const { json } = await api("GET", "/v1/passkeys");
    equal((await api("DELETE", `/v1/passkeys/${json.passkeys[0].id}`)).json.code, "passkey.show");
});

// ---- signed votes: alice shows who she is, bob signs his approval
const request = async (id) => (await api("GET", `/v1/requests/${id}`)).json;
let asked = null;
const ask = { target: "shop", scope: { actions: ["pg:write"], resources: ["shop/public.orders"] }, for_ms: 60000, why: "passkeys" };

async function approve(id, button) {
    await page.goto(`${given.url}/r/${id}`);
    await page.getByRole("button", { name: /^(Approve|Show that it is you)/ }).click();
    await page.getByRole("button", { name: button }).click();
}

await test("a requirement of kind mfa is met by the requester's own passkey", async () => {
    await signOut();
    await useLink(given.links.alice[0]);
    await toAccount();
    await register("alice's phone");
    const made = await api("POST", "/v1/requests", ask);
    equal(made.status, 201, JSON.stringify(made.json));
    asked = made.json;
    const plain = await api("POST", `/v1/requests/${asked.id}/votes`, { decision: "approve", digest: asked.digest, version: 1 });
    equal(plain.json.code, "vote.unsigned");
    await approve(asked.id, "Yes, it is me");
    await until("her passkey counts", async () => (await request(asked.id)).needs[0].find((n) => n.requirement === "me").have === 1);
    equal((await request(asked.id)).status, "pending");
    equal((await api("POST", `/v1/requests/${asked.id}/votes`, { decision: "approve", digest: asked.digest, version: 1, requirement: "dba" })).json.code, "vote.twice");
});

let ballot = null;
await test("an approval that must be signed takes the approver's passkey", async () => {
    await signOut();
    await useLink(given.links.bob[2]);
    const plain = await api("POST", `/v1/requests/${asked.id}/votes`, { decision: "approve", digest: asked.digest, version: 1 });
    equal(plain.json.code, "vote.unsigned");
    page.on("request", (r) => { if (r.method() === "POST" && r.url().endsWith("/votes")) ballot = r.postDataJSON(); });
    await page.goto(`${given.url}/r/${asked.id}`);
    await page.getByRole("button", { name: /^Approve/ }).click();
    await shot(page, "passkeys-approve");
    await page.getByRole("button", { name: "Yes, approve with my passkey" }).click();
    await until("it is approved", async () => (await request(asked.id)).status === "approved");
});

await test("a signature serves one vote on one request", async () => {
    const next = (await api("POST", "/v1/requests", { ...ask, why: "bob's own" })).json; // bob asks: he is no approver of it
    equal((await api("POST", `/v1/requests/${next.id}/votes`, { ...ballot, digest: next.digest })).status >= 400, true);
    const other = given.other;
    const got = await api("POST", `/v1/requests/${other.id}/votes`, { ...ballot, digest: other.digest, version: other.version });
    equal(got.json.code, "passkey.refused");
    equal((await request(other.id)).status, "pending");
});

await test("with the passkey shown, a second one is registered and the first removed", async () => {
    for (const credentialId of bobs) await cdp.send("WebAuthn.removeCredential", { authenticatorId: key, credentialId }); // alice's is left to choose
    await signOut();
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor({ timeout: 15000 });
    await toAccount();
    await cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: key, enabled: false });
    const second = await addKey("usb");
    await register("security key");
    await page.locator(".passkeys li", { hasText: "alice's phone" }).getByRole("button", { name: "Remove …" }).click();
    await page.getByRole("button", { name: "Remove it" }).click();
    await until("the first is gone", async () => (await api("GET", "/v1/passkeys")).json.passkeys.length === 1);
    await signOut();
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: second });
    await cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: key, enabled: true });
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.locator(".bad", { hasText: "nobody here has this passkey" }).waitFor({ timeout: 15000 });
});

await browser.close();
process.exit(exitCode());
