// Addresses: / with #mine, #grants, #log, #account, #channels, #ask, #ask:edit:CODE, #ask:extend:CODE; /r/CODE. Going elsewhere never loads a page.
import { signal } from "@preact/signals";

export type Page = "inbox" | "mine" | "grants" | "log" | "account" | "channels" | "ask" | "request";
export interface Route { page: Page; code: string }

function read(): Route {
    const m = /^\/r\/([^/]+)$/.exec(location.pathname);
    if (m) {
        try {
            return { page: "request", code: decodeURIComponent(m[1]!) };
        } catch {
            return { page: "request", code: m[1]! };
        }
    }
    const tab = location.hash.slice(1);
    const ask = /^ask(?::((?:edit|extend):[0-9A-Za-z-]+))?$/.exec(tab);
    if (ask) return { page: "ask", code: ask[1] ?? "" };
    return { page: tab === "mine" || tab === "grants" || tab === "log" || tab === "account" || tab === "channels" ? tab : "inbox", code: "" };
}

export const route = signal<Route>(read());
/** Where the reader came from, to go back to and to put the focus back on. */
export const before = signal<{ href: string; code: string }>({ href: "/", code: "" });

export const hrefOf = (page: Page): string => (page === "inbox" ? "/" : `/#${page}`);

export function go(href: string): void {
    const from = route.value;
    if (from.page === "request") before.value = { ...before.value, code: from.code };
    else before.value = { href: hrefOf(from.page), code: "" };
    history.pushState(null, "", href);
    route.value = read();
}

export function listen(): void {
    window.addEventListener("popstate", () => {
        const from = route.value;
        if (from.page === "request") before.value = { ...before.value, code: from.code };
        route.value = read();
    });
    document.addEventListener("click", (e) => {
        const a = e.target instanceof Element ? e.target.closest("a") : null;
        if (!a || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
        const href = a.getAttribute("href") ?? "";
        if (!/^\/(#.*|r\/[^/]+)?$/.test(href)) return;
        e.preventDefault();
        go(href);
    });
}
