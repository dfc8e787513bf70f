// Text that came from outside, made safe to show: what src/base/text.c does for terminals, for the page.

/** Code points that a reader cannot see, or that change how what stands around them is seen. The table of src/base/text.c. */
export const hidden: readonly (readonly [number, number])[] = [
    [0x00, 0x1f], [0x7f, 0xa0], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c],
    [0x115f, 0x1160], [0x1680, 0x1680], [0x17b4, 0x17b5], [0x180b, 0x180f], [0x2000, 0x200f],
    [0x2028, 0x202f], [0x205f, 0x206f], [0x2800, 0x2800], [0x3000, 0x3000], [0x3164, 0x3164],
    [0xe000, 0xf8ff], [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xff01, 0xff5e], [0xffa0, 0xffa0],
    [0xfff0, 0xfffb], [0xfffe, 0xffff], [0x1d173, 0x1d17a], [0x1d400, 0x1d7ff], [0xe0000, 0x10ffff],
];

export function isHidden(cp: number): boolean {
    return hidden.some(([from, to]) => cp >= from && cp <= to);
}

/** UTF-8 to a string in which a byte b that is no UTF-8 stands as the lone surrogate U+DC00 + b, so that nothing is lost. */
export function decode(bytes: Uint8Array): string {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
        return decodeLoosely(bytes);
    }
}

function decodeLoosely(bytes: Uint8Array): string {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const parts: string[] = [];
    for (let i = 0; i < bytes.length; ) {
        const n = Math.min(sequenceLength(bytes[i]!), bytes.length - i);
        try {
            parts.push(strict.decode(bytes.subarray(i, i + n)));
            i += n;
        } catch {
            parts.push(String.fromCharCode(0xdc00 + bytes[i]!));
            i++;
        }
    }
    return parts.join("");
}

const sequenceLength = (lead: number): number => (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

/** Bytes that this (decoded) text stands for. */
export function byteLength(s: string): number {
    let n = 0;
    for (const c of s) {
        const cp = c.codePointAt(0)!;
        n += cp < 0x80 || (cp >= 0xdc00 && cp <= 0xdfff) ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    }
    return n;
}

/** A stretch of text to show; `odd` stretches are escapes and look so. */
export interface Run { text: string; odd: boolean }

/** The text from..to of s as runs. `multiline` keeps line ends and tabs. A backslash before x or u is doubled, so that no text can pose as an escape. */
export function runs(s: string, multiline: boolean, from = 0, to = s.length): Run[] {
    const out: Run[] = [];
    let plain = "";
    for (let i = from; i < to; ) {
        const cp = s.codePointAt(i)!;
        const c = String.fromCodePoint(cp);
        const odd = escapeOf(cp, multiline);
        i += c.length;
        if (odd === null) {
            plain += cp === 0x5c && (s[i] === "x" || s[i] === "u") ? "\\\\" : c;
            continue;
        }
        if (plain) out.push({ text: plain, odd: false });
        plain = "";
        const last = out[out.length - 1];
        if (last?.odd) last.text += odd;
        else out.push({ text: odd, odd: true });
    }
    if (plain) out.push({ text: plain, odd: false });
    return out;
}

function escapeOf(cp: number, multiline: boolean): string | null {
    if (multiline && (cp === 0x0a || cp === 0x09)) return null;
    if (cp >= 0xdc00 && cp <= 0xdfff) return "\\x" + (cp & 0xff).toString(16).padStart(2, "0");
    if (cp >= 0xd800 && cp <= 0xdbff) return `\\u{${cp.toString(16)}}`;
    if (!isHidden(cp)) return null;
    return cp < 0x100 ? "\\x" + cp.toString(16).padStart(2, "0") : `\\u{${cp.toString(16)}}`;
}

export const escapeText = (s: string, multiline: boolean): string => runs(s, multiline).map((r) => r.text).join("");

/** Where a text is cut that is too long to be seen at once: an index, or its length. Never inside a code point. */
export function cutAt(s: string, chars: number, lines: number): number {
    let at = 0;
    for (let n = 0; n < lines; n++) {
        const end = s.indexOf("\n", at);
        if (end < 0) {
            at = s.length;
            break;
        }
        at = end + 1;
    }
    at = Math.min(at, chars);
    if (at < s.length && /[\udc00-\udfff]/.test(s[at]!) && /[\ud800-\udbff]/.test(s[at - 1] ?? "")) at--;
    return Math.min(at, s.length);
}

/** "9 min 59 s", "2 h", "45 s": two units at most, rounded down; as phi_text_duration. */
export function duration(ms: number): string {
    const units: [number, string][] = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
    const parts: string[] = [];
    let left = Math.max(0, ms);
    let seen = 0;
    for (const [size, name] of units) {
        if (seen === 2) break;
        const n = Math.floor(left / size);
        if (n > 0) parts.push(`${n} ${name}`);
        left -= n * size;
        if (n > 0 || seen > 0) seen++;
    }
    return parts.join(" ") || "0 s";
}

export const count = (n: number): string => n.toLocaleString("en");
export const plural = (n: number, one: string, many = one + "s"): string => `${count(n)} ${n === 1 ? one : many}`;
