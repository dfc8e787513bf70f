#include "gateway/startup.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Settings that change how results look or how long things may take, never what a text means to the parser. */
static const char *const passed[] = { "DateStyle",
                                      "TimeZone",
                                      "IntervalStyle",
                                      "extra_float_digits",
                                      "application_name",
                                      "statement_timeout",
                                      "lock_timeout",
                                      "idle_in_transaction_session_timeout",
                                      "bytea_output",
                                      "default_transaction_isolation",
                                      "default_transaction_read_only" };

static bool is(struct phi_view v, const char *name)
{
    return v.n == strlen(name) && strncasecmp((const char *)v.p, name, v.n) == 0;
}

static enum phi_rc refuse(struct phi_err *err, const char **sqlstate, const char *state,
                          const char *what, struct phi_view name)
{
    PHI_BUF(shown, 128);
    phi_text_escape(&shown, phi_view_upto(name, 100), false);
    *sqlstate = state;
    return phi_fail(err, PHI_EDENIED, "phi: %s \"%s\"", what, phi_buf_str(&shown));
}

/* psql without a locale says SQL_ASCII; it is served as UTF8. Quotes, case and punctuation do not count
 * (asyncpg sends 'utf-8'). */
static bool encoding_ok(struct phi_view v)
{
    char plain[32];
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        if (c == '\'' || c == '"' || c == '-' || c == '_' || c == ' ')
            continue;
        if (n == sizeof plain - 1)
            return false;
        plain[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    plain[n] = '\0';
    return strcmp(plain, "utf8") == 0 || strcmp(plain, "unicode") == 0 ||
           strcmp(plain, "sqlascii") == 0;
}

static bool read_hold(struct phi_view v, int64_t *ret)
{
    if (phi_view_is(v, "0")) {
        *ret = 0;
        return true;
    }
    return phi_text_duration_read(v, ret);
}

static enum phi_rc pass_on(struct gw_startup *s, const char *name, struct phi_view value,
                           const char **sqlstate, struct phi_err *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (phi_view_is(s->pairs[2 * i], name)) {
            s->pairs[2 * i + 1] = value; /* the last one counts, as in PostgreSQL */
            return PHI_OK;
        }
    if (s->n == GW_STARTUP_MAX)
        return refuse(err, sqlstate, "54000", "too many startup parameters, at", phi_view_of(name));
    s->pairs[2 * s->n] = phi_view_of(name);
    s->pairs[2 * s->n + 1] = value;
    s->n++;
    return PHI_OK;
}

static enum phi_rc setting(struct gw_startup *s, struct phi_view name, struct phi_view value,
                           const char **sqlstate, struct phi_err *err)
{
    if (is(name, "client_encoding"))
        return encoding_ok(value) ? PHI_OK
                                  : refuse(err, sqlstate, "22023",
                                           "the only client_encoding served is UTF8, not", value);
    if (is(name, "standard_conforming_strings"))
        return is(value, "on") ? PHI_OK
                               : refuse(err, sqlstate, "22023",
                                        "standard_conforming_strings must be on, not", value);
    if (is(name, "hold") || is(name, "phi.hold"))
        return read_hold(value, &s->hold_ms)
                   ? PHI_OK
                   : refuse(err, sqlstate, "22023", "hold must be 0 or like 30s or 5m, not", value);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if (is(name, passed[i])) {
            if (i == 4)
                s->application = value;
            return pass_on(s, passed[i], value, sqlstate, err);
        }
    return refuse(err, sqlstate, "0A000", "unsupported startup parameter", name);
}

/* --- options: "-c name=value --name=value", blanks escaped by a backslash (PostgreSQL's pg_split_opts) --- */
static bool next_word(struct phi_arena *a, struct phi_view *rest, struct phi_view *word)
{
    size_t i = 0, n = 0;
    while (i < rest->n && (rest->p[i] == ' ' || rest->p[i] == '\t' || rest->p[i] == '\n'))
        i++;
    uint8_t *out = phi_arena_alloc(a, rest->n + 1);
    if (i == rest->n || out == NULL)
        return false;
    for (; i < rest->n && rest->p[i] != ' ' && rest->p[i] != '\t' && rest->p[i] != '\n'; i++) {
        if (rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
        out[n++] = rest->p[i];
    }
    *word = (struct phi_view){ out, n };
    *rest = phi_view_from(*rest, i);
    return true;
}

static enum phi_rc option(struct phi_arena *a, struct gw_startup *s, struct phi_view text,
                          const char **sqlstate, struct phi_err *err)
{
    struct phi_view value = text, name;
    uint8_t *plain = phi_arena_alloc(a, text.n + 1);
    if (plain == NULL || !phi_view_split(&value, '=', &name) || name.n == text.n)
        return refuse(err, sqlstate, "22023", "unreadable option", text);
    for (size_t i = 0; i < name.n; i++)
        plain[i] = name.p[i] == '-' ? '_' : name.p[i];
    return setting(s, (struct phi_view){ plain, name.n }, value, sqlstate, err);
}

static enum phi_rc options(struct phi_arena *a, struct gw_startup *s, struct phi_view text,
                           const char **sqlstate, struct phi_err *err)
{
    struct phi_view word;
    while (next_word(a, &text, &word)) {
        if (phi_view_is(word, "-c") && !next_word(a, &text, &word))
            return refuse(err, sqlstate, "22023", "unreadable option", PHI_LIT("-c"));
        else if (phi_view_starts(word, PHI_LIT("--")) ||
                 (phi_view_starts(word, PHI_LIT("-c")) && word.n > 2))
            word = phi_view_from(word, 2);
        else if (word.n > 0 && word.p[0] == '-')
            return refuse(err, sqlstate, "0A000", "unsupported option", word);
        PHI_TRY(option(a, s, word, sqlstate, err));
    }
    return phi_arena_ok(a) ? PHI_OK : refuse(err, sqlstate, "54000", "options are too long", text);
}

static void split_user(struct gw_startup *s, struct phi_view user)
{
    s->user = user;
    for (size_t i = user.n; i > 0; i--)
        if (user.p[i - 1] == '~') {
            s->user = phi_view_upto(user, i - 1);
            s->credential = phi_view_from(user, i);
            return;
        }
}

static bool replication_off(struct phi_view v)
{
    return is(v, "false") || is(v, "off") || is(v, "no") || is(v, "0");
}

static enum phi_rc one(struct phi_arena *a, struct gw_startup *s, struct phi_view name,
                       struct phi_view value, const char **sqlstate, struct phi_err *err)
{
    if (phi_view_is(name, "user"))
        split_user(s, value);
    else if (phi_view_is(name, "database"))
        s->database = value;
    else if (phi_view_is(name, "options"))
        return options(a, s, value, sqlstate, err);
    else if (phi_view_is(name, "replication"))
        return replication_off(value)
                   ? PHI_OK
                   : refuse(err, sqlstate, "0A000", "replication is not served:", value);
    else if (phi_view_starts(name, PHI_LIT("_pq_.")) &&
             s->n_extensions < sizeof s->extensions / sizeof *s->extensions)
        s->extensions[s->n_extensions++] = name;
    else
        return setting(s, name, value, sqlstate, err);
    return PHI_OK;
}

enum phi_rc gw_startup_read(struct phi_arena *a, struct phi_view params, struct gw_startup *ret,
                            const char **sqlstate, struct phi_err *err)
{
    struct phi_view name, value;
    *ret = (struct gw_startup){ .hold_ms = -1 };
    *sqlstate = "08P01";
    while (pg_param_next(&params, &name, &value)) {
        if (!phi_utf8_ok(name) || !phi_utf8_ok(value))
            return refuse(err, sqlstate, "22021", "startup parameters must be UTF-8:", name);
        PHI_TRY(one(a, ret, name, value, sqlstate, err));
    }
    if (ret->user.n == 0)
        return refuse(err, sqlstate, "28000",
                      "no user name in the startup packet, expected name~credential, got",
                      ret->user);
    if (ret->database.n == 0)
        ret->database = ret->user;
    return PHI_OK;
}
