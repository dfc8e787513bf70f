// What test/flow/notify.py does in the browser: an operator sees a dead letter and sends it again.
import { exitCode, holds, launch, missing, open, test } from "../lib/browser.mjs";

const why = missing();
if (why) {
    console.log(`skip - dead letters in the console: ${why}`);
    process.exit(77);
}
const given = JSON.parse(process.env.PHI_NOTIFY);
const browser = await launch();

for (const [size, scheme] of [["phone", "dark"], ["desk", "light"]])
    await test(`console: channels, what could not be sent, and sending it again (${size})`, async () => {
        const page = await open(browser, { size, scheme });
        await page.goto(given.links.pop());
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("link", { name: "Messages" }).click();
        await page.getByRole("heading", { level: 1, name: "Messages" }).waitFor();
        await page.locator(".line", { hasText: given.channel }).filter({ hasText: "could not be sent" }).first().waitFor();
        await page.getByText(given.error).first().waitFor();
        await holds(page, `messages-${size}`);
        await page.getByRole("button", { name: "Send again" }).first().click();
        await page.getByText("On its way again.").waitFor({ state: "attached" });
        await page.context().close();
    });
await browser.close();
process.exit(exitCode());
