// Bundles the console into dist/ (or, with --test, the unit tests, and runs them).
// Names carry no hash: phid reads the folder once at its start and answers with strong ETags.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const common = { bundle: true, format: "esm", target: "es2022", logLevel: "warning", absWorkingDir: here };

async function console_() {
    const dist = join(here, "dist");
    rmSync(dist, { recursive: true, force: true });
    mkdirSync(dist);
    await build({ ...common, entryPoints: { app: "src/main.tsx" }, outdir: dist, platform: "browser", minify: true, legalComments: "none" });
    await build({ ...common, entryPoints: { app: "src/app.css" }, outdir: dist, minify: true });
    for (const name of ["index.html", "favicon.svg"]) copyFileSync(join(here, "src", name), join(dist, name));
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
