// Bundles the console into dist/ (or, with --test, the unit tests, and runs them).
// Names carry no hash: phid reads the folder once at its start and answers with strong ETags.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const common = { bundle: true, format: "esm", target: "es2022", logLevel: "warning", absWorkingDir: here };

/** Built aside and put in place whole: a phid that starts meanwhile reads all of one console. */
async function console_() {
    const dist = join(here, "dist"), aside = mkdtempSync(join(here, "node_modules", ".dist-"));
    await build({ ...common, entryPoints: { app: "src/main.tsx" }, outdir: aside, platform: "browser", minify: true, legalComments: "none" });
    await build({ ...common, entryPoints: { app: "src/app.css" }, outdir: aside, minify: true });
    for (const name of ["index.html", "favicon.svg"]) copyFileSync(join(here, "src", name), join(aside, name));
    chmodSync(aside, 0o755); // mkdtemp made it private, and phid may run as another user
    rmSync(dist, { recursive: true, force: true });
    renameSync(aside, dist);
}

async function tests() {
    const names = readdirSync(join(here, "test")).filter((n) => n.endsWith(".test.ts"));
    const out = mkdtempSync(join(here, "node_modules", ".tests-"));
    try {
        await build({ ...common, entryPoints: names.map((n) => join("test", n)), outdir: out, platform: "node", outExtension: { ".js": ".mjs" } });
        const files = names.map((n) => join(out, n.replace(/\.ts$/, ".mjs")));
        process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit", env: { ...process.env, PHI_TOP: dirname(here) } }).status ?? 1;
    } finally {
        rmSync(out, { recursive: true, force: true });
    }
}

await (process.argv.includes("--test") ? tests() : console_());
