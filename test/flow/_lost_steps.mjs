// What test/flow/lost.py does in the browser: alice ends a database's credential of hers, the administrator all of lena's.
import { equal, exitCode, holds, launch, missing, ok, open, test, until } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - a lost laptop in a browser: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_LOST);
const browser = await launch();

async function account(link, options) {
    const page = await open(browser, options);
    await page.goto(link);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Inbox" }).waitFor();
    await page.goto(`${given.url.replace(/\/$/, "")}/#account`);
    await page.getByRole("heading", { name: "Where you are signed in" }).waitFor();
    await page.locator(".sessions li").first().waitFor();
    return page;
}
const mine = (page) => page.locator("section", { has: page.getByRole("heading", { name: "Where you are signed in" }) });
const theirs = (page) => page.locator("section", { has: page.getByRole("heading", { name: "Where somebody else is signed in" }) });

await test("console: alice sees the database's credential among her sessions, and ends it", async () => {
    const page = await account(given.links.alice, { size: "phone", scheme: "dark" });
    const line = mine(page).locator("li", { hasText: "credential for a database" });
    await line.first().waitFor();
    const before = await line.count();
    await holds(page, "sessions");
    equal(await theirs(page).count(), 0, "who may not revoke is offered others' sessions");
    await line.first().getByRole("button", { name: /End/ }).click();
    await until("the end", async () => (await line.count()) === before - 1);
    equal(await mine(page).getByText("(this one)").count(), 1);
    await page.context().close();
});

await test("console: who may revoke finds where lena is signed in, and ends all of it", async () => {
    const page = await account(given.links.admin, { size: "desk", scheme: "light" });
    const at = theirs(page);
    await at.getByLabel("Name").fill("nobody.here");
    await at.getByRole("button", { name: "Show" }).click();
    await at.getByText("there is no such person").waitFor();
    await at.getByLabel("Name").fill("lena");
    await at.getByRole("button", { name: "Show" }).click();
    await at.locator("li").first().waitFor();
    ok((await at.locator("li").count()) >= 2, "a session and a credential");
    page.wrong.length = 0; // the refusal above was meant
    await holds(page, "sessions-of-lena");
    await at.getByRole("button", { name: "End all" }).click();
    await at.getByText("Nowhere.").waitFor();
    await page.context().close();
});

await browser.close();
process.exit(exitCode());
