// What the pages share.
import { computed, signal } from "@preact/signals";
import type { Request, Timed, Whoami } from "./types";

/** undefined: not yet known; null: nobody is signed in. */
export const me = signal<Whoami | null | undefined>(undefined);

/** A line of the inbox; `gone` says what became of one that has just left. */
export interface Item { request: Timed<Request>; gone: string }
export const inbox = signal<Item[] | undefined>(undefined);
export const pending = computed(() => inbox.value?.filter((i) => !i.gone).length ?? 0);

export type Link = "connecting" | "live" | "lost";
export const link = signal<Link>("connecting");

/** The last event of the stream: pages that show the request look again. `n` rises. */
export const happened = signal<{ n: number; id: string }>({ n: 0, id: "" });

/** performance.now(), once a second. */
export const now = signal(performance.now());

/** Said to screen readers. */
export const said = signal("");

/** Something went wrong that no page owns. */
export const trouble = signal("");
