// A browser for flow tests: Debian's Chromium by playwright-core, with what must hold on every page watched all the time
// (no CSP report, no console error, no exception), and axe evaluated in the page so that no CSP has to be opened for it.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const top = fileURLToPath(new URL("../..", import.meta.url));
const require = createRequire(join(top, "web/package.json"));

let failed = 0;
/** Runs one named test and prints its result. */
export async function test(name, body) {
    try {
        await body();
        console.log(`ok - ${name}`);
    } catch (e) {
        failed++;
        console.log(`not ok - ${name}\n  ${String(e?.stack ?? e).replaceAll("\n", "\n  ")}`);
    }
}
export const exitCode = () => (failed ? 1 : 0);
export function equal(got, want, what = "") {
    if (got !== want) throw new Error(`${what ? what + ": " : ""}got ${JSON.stringify(got)}, wanted ${JSON.stringify(want)}`);
}
export function ok(value, what) {
    if (!value) throw new Error(what);
}
export async function until(what, f, ms = 15000) {
    const end = Date.now() + ms;
    for (;;) {
        const v = await f();
        if (v) return v;
        if (Date.now() > end) throw new Error(`${what} did not come within ${ms} ms`);
        await new Promise((r) => setTimeout(r, 20));
    }
}

/** Why there is no browser here, or "". */
export function missing() {
    if (!executable()) return "chromium-headless-shell is not installed";
    try {
        require.resolve("playwright-core");
        require.resolve("axe-core");
    } catch {
        return "web/node_modules is not there (./dev test installs it)";
    }
    return existsSync(join(top, "web/dist/index.html")) ? "" : "web/dist is not built";
}
const executable = () => ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find(existsSync);

export async function launch() {
    return require("playwright-core").chromium.launch({ executablePath: executable(), args: ["--disable-dev-shm-usage"] });
}

export const SIZES = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 800 } };

/** A page of its own (cookies too). `allow` is a pattern of console errors that the test brings about on purpose. */
export async function open(browser, { size = "desk", scheme = "light", motion = "reduce", allow = null } = {}) {
    const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, reducedMotion: motion, locale: "en-GB", timezoneId: "Etc/UTC" });
    await context.addInitScript(() => {
        globalThis.cspReports = [];
        document.addEventListener("securitypolicyviolation", (e) => globalThis.cspReports.push(`${e.violatedDirective} ${e.blockedURI}`));
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20000);
    page.wrong = [];
    page.on("console", (m) => {
        if (m.type() === "error" && !allow?.test(m.text())) page.wrong.push(`console: ${m.text()}`);
    });
    page.on("pageerror", (e) => page.wrong.push(`exception: ${e}`));
    page.name = `${size}-${scheme}`;
    return page;
}

/** What must hold on any page at any time. */
export async function holds(page, name) {
    await shot(page, name);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    ok(wide <= 0, `${name}: ${wide}px too wide`);
    const reports = await page.evaluate(() => globalThis.cspReports);
    equal(reports.length, 0, `CSP reports ${reports}`);
    equal(page.wrong.length, 0, page.wrong.join("; "));
    const small = await page.evaluate(() => {
        const rects = [...document.querySelectorAll("button, select, input, textarea, nav a, summary")].filter((e) => e.checkVisibility() && e.type !== "checkbox");
        return rects.map((e) => [e.outerHTML.slice(0, 80), Math.round(e.getBoundingClientRect().height)]).filter(([, h]) => h < 44);
    });
    equal(JSON.stringify(small), "[]", "targets lower than 44px");
    const found = await axe(page);
    equal(found.length, 0, `${name}: axe found ${found.join("; ")}`);
}

async function axe(page) {
    const source = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(source); // by the debugging protocol: the page's CSP stays as it is
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return violations.map((v) => `${v.id} (${v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary.split("\n")[1]).slice(0, 3).join(", ")})`);
}

/** PHI_SHOTS names a folder for pictures. */
export async function shot(page, name) {
    const folder = process.env.PHI_SHOTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}-${page.name}.png`), fullPage: !name.includes("view") });
}
