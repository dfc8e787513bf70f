import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { byteLength, cutAt, decode, duration, escapeText, hidden, isHidden, runs } from "../src/text";

const bytes = (...b: number[]): Uint8Array => Uint8Array.from(b);
const utf8 = (s: string): Uint8Array => new TextEncoder().encode(s);

test("the table of what cannot be seen is the one of src/base/text.c", () => {
    const c = readFileSync(join(process.env["PHI_TOP"]!, "src/base/text.c"), "utf8");
    const table = /hidden\[\] = \{([\s\S]*?)\};/.exec(c)![1]!;
    const ranges = [...table.matchAll(/\{ (0x[0-9a-f]+), (0x[0-9a-f]+) \}/g)].map((m) => [Number(m[1]), Number(m[2])]);
    assert.ok(ranges.length > 20);
    assert.deepEqual(hidden, ranges);
});

test("what cannot be seen is shown escaped, as phi_text_escape does", () => {
    const cases: [Uint8Array, string][] = [
        [utf8("plain text, é€"), "plain text, é€"],
        [utf8("a\x1b]0;x\x07"), "a\\x1b]0;x\\x07"],
        [utf8("user\u202etxt"), "user\\u{202e}txt"],
        [utf8("a\u200b\ufeff"), "a\\u{200b}\\u{feff}"],
        [bytes(0xff, 0xc0, 0x80), "\\xff\\xc0\\x80"],
        [utf8("line\nnext"), "line\\x0anext"],
        [utf8("C:\\temp \\x41 \\u{1}"), "C:\\temp \\\\x41 \\\\u{1}"],
        [utf8("\u009b31m"), "\\x9b31m"],
        [bytes(0x61, 0xed, 0xa0, 0x80, 0x62), "a\\xed\\xa0\\x80b"],
        [bytes(0xf4, 0x90, 0x80, 0x80), "\\xf4\\x90\\x80\\x80"],
        [bytes(0xe2, 0x82), "\\xe2\\x82"],
        [utf8("\ufeffSELECT \ud83d\ude00 \udb40\udc41"), "\\u{feff}SELECT \ud83d\ude00 \\u{e0041}"],
    ];
    for (const [raw, want] of cases) assert.equal(escapeText(decode(raw), false), want);
    assert.equal(escapeText("a\n\tb\r", true), "a\n\tb\\x0d");
});

test("nothing that is shown holds a code point that cannot be seen", () => {
    let all = "";
    for (let cp = 0; cp <= 0x10ffff; cp++) if (cp < 0xd800 || cp > 0xdfff) all += String.fromCodePoint(cp);
    for (const c of escapeText(all, false)) assert.ok(!isHidden(c.codePointAt(0)!), c.codePointAt(0)!.toString(16));
});

test("decoding loses no byte, whatever the bytes are", () => {
    let seed = 7;
    const next = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) >> 16;
    for (let round = 0; round < 500; round++) {
        const raw = Uint8Array.from({ length: next() % 40 }, () => [next() & 0xff, 0x80 | (next() & 0x3f), 0xe2, 0x41][next() & 3]!);
        const text = decode(raw);
        assert.equal(byteLength(text), raw.length);
        const back = [...text].flatMap((c) => (/^[\udc80-\udcff]$/.test(c) ? [c.charCodeAt(0) & 0xff] : [...utf8(c)]));
        assert.deepEqual(back, [...raw]);
    }
});

test("a backslash before x or u is doubled also where a stretch ends", () => {
    const s = "'a\\'x41";
    assert.equal(runs("\\x41", true, 0, 1).map((r) => r.text).join(""), "\\\\");
    assert.equal(runs(s, true).map((r) => r.text).join(""), s);
});

test("a long text is cut by characters and by lines, never inside a character", () => {
    assert.equal(cutAt("short", 10, 3), 5);
    assert.equal(cutAt("x".repeat(20), 10, 3), 10);
    assert.equal(cutAt("a\nb\nc\nd", 10, 3), 6);
    assert.equal(cutAt("\n".repeat(50), 1000, 30), 30);
    assert.equal(cutAt("123456789\ud83d\ude00x", 10, 3), 9);
});

test("durations read as the server writes them", () => {
    assert.equal(duration(599999), "9 min 59 s");
    assert.equal(duration(-5), "0 s");
    assert.equal(duration(7200000), "2 h");
    assert.equal(duration(86400000 + 30000), "1 d");
    assert.equal(duration(900000), "15 min");
});
