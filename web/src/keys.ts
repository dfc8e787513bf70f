// Single keys. They can be turned off (WCAG 2.1.4), and are silent while somebody types.
import { signal } from "@preact/signals";

const STORE = "phi.keys";
export const keysOn = signal(localStorage.getItem(STORE) !== "off");
export function setKeys(on: boolean): void {
    keysOn.value = on;
    localStorage.setItem(STORE, on ? "on" : "off");
}

export const helpOpen = signal(false);

/** What a page does on a key; a page puts its own in while it is there. */
export const pageKeys: Map<string, () => void> = new Map();

const typing = (t: EventTarget | null): boolean => t instanceof HTMLElement && (t.matches("input:not([type=checkbox]), textarea, select") || t.isContentEditable);

/** j and k walk over what is marked data-item; the focus itself moves, so that Enter needs no code. */
export function move(by: 1 | -1): void {
    const items = [...document.querySelectorAll<HTMLElement>("[data-item]")];
    const at = items.findIndex((i) => i === document.activeElement || i.contains(document.activeElement));
    items[at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + by))]?.focus();
}

export function listenKeys(common: ReadonlyMap<string, () => void>): void {
    document.addEventListener("keydown", (e) => {
        if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
        if (document.querySelector("dialog[open]")) return; // it has its own Esc
        const single = e.key.length === 1;
        if (single && (!keysOn.value || typing(e.target))) return;
        const act = pageKeys.get(e.key) ?? common.get(e.key);
        if (!act) return;
        e.preventDefault();
        act();
    });
}
