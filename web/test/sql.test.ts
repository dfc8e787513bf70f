import assert from "node:assert/strict";
import { test } from "node:test";
import { tokens, type TokenKind } from "../src/sql";

/** The stretches of one kind. */
const of = (kind: TokenKind, s: string): string[] => tokens(s).filter((t) => t.kind === kind).map((t) => s.slice(t.from, t.to));

test("tokens cover the statement, in order, without a gap", () => {
    const all = ["SELECT 1", "", "'open", '"open', "/* open /* */", "$$ open", "E'\\", "a.b::text->>'x' -- end", "\u0000\udcff$", "U&'\\0041' U&\"x\" $1 0x1f .5e3 5."];
    for (const s of all) {
        let at = 0;
        for (const t of tokens(s)) {
            assert.equal(t.from, at);
            assert.ok(t.to > t.from);
            at = t.to;
        }
        assert.equal(at, s.length);
    }
});

test("what is code is never coloured as a comment or a string", () => {
    const cases: [string, TokenKind, string[]][] = [
        ["SELECT 'it''s' , x", "string", ["'it''s'"]],
        ["SELECT '\\' , DELETE", "string", ["'\\'"]],
        ["SELECT E'\\' , x' , y", "string", ["E'\\' , x'"]],
        ["/* a /* b */ c */ DELETE", "comment", ["/* a /* b */ c */"]],
        ["-- a\nDELETE", "comment", ["-- a"]],
        ["-- a\rDELETE", "comment", ["-- a"]],
        ["$a$ x $$ y $a$ DELETE", "string", ["$a$ x $$ y $a$"]],
        ["a$b$ DELETE $b$", "string", ["$b$"]],
        ['"sel""ect" FROM', "name", ['"sel""ect"']],
        ["x = $1 OR y = $23", "param", ["$1", "$23"]],
        ["delete FROM orders Where selectx", "keyword", ["delete", "FROM", "Where"]],
    ];
    for (const [s, kind, want] of cases) assert.deepEqual(of(kind, s), want, s);
});
