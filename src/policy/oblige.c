/* `obligations:` in requirements.yaml: what an enforcement point may have to do where an allow rests on it.
 *
 *   obligations:
 *     masked:
 *       why: Support sees no addresses
 *       kind: mask           # what an enforcement point says it can do; left out: the name itself
 *     first-hundred:
 *       kind: cap-rows
 *       rows: 100            # of cap-rows: most rows
 */
#include "policy/bundle.h"

#include "base/limits.h"

#define MAX_ROWS ((1LL << 53) - 1)

static enum phi_rc bad(const struct phi_json *v, const struct phi_obligation *o, const char *what, struct phi_err *err)
{
    return phi_fail(err, PHI_EINPUT, CEDAR_REQUIREMENTS_FILE ":%d: obligation \"" PHI_FMT "\": %s", (int)v->line,
                    PHI_ARG(phi_view_upto(o->name, 60)), what);
}

static enum phi_rc read_one(struct phi_obligation *o, const struct phi_json *v, struct phi_err *err)
{
    static const char *const keys[] = { "why", "kind", "rows", NULL };
    const struct phi_json *why = phi_json_get(v, "why"), *kind = phi_json_get(v, "kind"), *rows = phi_json_get(v, "rows");
    struct phi_err found = { 0 };
    if (o->name.n == 0 || o->name.n > PHI_MAX_NAME)
        return bad(v, o, "a name must have 1 to 128 bytes", err);
    if (v->kind != PHI_JSON_OBJ)
        return bad(v, o, "expected settings such as {kind: mask, why: …}", err);
    if (phi_json_only(v, keys, &found) != PHI_OK)
        return bad(v, o, found.msg, err);
    o->kind = o->name;
    if (why && !phi_json_str(why, &o->why))
        return bad(why, o, "why must be a text", err);
    if (kind && (!phi_json_str(kind, &o->kind) || o->kind.n == 0 || o->kind.n > PHI_MAX_NAME))
        return bad(kind, o, "kind must be a text of 1 to 128 bytes such as mask, record or cap-rows", err);
    bool caps = phi_view_is(o->kind, "cap-rows");
    if (rows && (!caps || !phi_json_int(rows, &o->rows) || o->rows < 1 || o->rows > MAX_ROWS))
        return bad(rows, o, "rows must be a whole number from 1, and belongs to kind: cap-rows", err);
    return caps && !rows ? bad(v, o, "kind: cap-rows needs rows: how many at most", err) : PHI_OK;
}

enum phi_rc cedar_obligations_read(struct phi_bundle *b, const struct phi_json *v, struct phi_err *err)
{
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, CEDAR_REQUIREMENTS_FILE ":%d: obligations must be names and their settings, such as "
                                         "obligations: {mask: {why: …}}", (int)v->line);
    b->obligations = phi_arena_array(&b->arena, v->n + 1, sizeof *b->obligations);
    if (!b->obligations)
        return phi_fail(err, PHI_ELIMIT, CEDAR_REQUIREMENTS_FILE " is too large");
    for (size_t i = 0; i < v->n; i++) {
        b->obligations[i].name = v->keys[i];
        PHI_TRY(read_one(&b->obligations[i], &v->items[i], err));
    }
    b->n_obligations = v->n;
    return PHI_OK;
}
