/* Output. Nothing from outside reaches the terminal raw. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "bin/phi.h"

#define LEAST_PROSE 8

void cli_put(struct cli *c, const char *text)
{
    phi_buf_adds(&c->out, text);
}

void cli_esc(struct cli *c, struct phi_view text)
{
    phi_text_escape(&c->out, text, false);
}

void cli_esc_lines(struct cli *c, struct phi_view text, const char *indent)
{
    struct phi_view line;
    while (phi_view_split(&text, '\n', &line)) {
        cli_put(c, indent);
        phi_text_escape(&c->out, line, false);
        cli_put(c, "\n");
    }
}

void cli_line(struct cli *c, const char *label, struct phi_view text)
{
    if (!text.n)
        return;
    phi_buf_printf(&c->out, "  %-11s ", label);
    cli_esc(c, text);
    cli_put(c, "\n");
}

void cli_ms(struct cli *c, int64_t ms)
{
    phi_text_duration(&c->out, ms);
}

void cli_flush(struct cli *c)
{
    if (!phi_buf_ok(&c->out))
        fputs("phi: the answer is too long to show\n", stderr);
    else if (c->out.n)
        fwrite(c->out.p, 1, c->out.n, stdout);
    fflush(stdout);
    phi_buf_clear(&c->out);
}

/* JSON whose strings are pure ASCII: the same value, and no control or bidi character in it. Outside
 * of strings JSON has no other bytes, so escaping every code point in place is enough. */
void cli_json(struct cli *c, const struct phi_json *v)
{
    PHI_BUF(b, 32u << 20);
    struct phi_jw w;
    if (!v) {
        cli_put(c, "null\n");
        return;
    }
    phi_jw_init(&w, &b);
    phi_jw_value(&w, v);
    struct phi_view text = phi_buf_view(&b);
    while (text.n) {
        uint32_t cp = 0;
        size_t n = phi_utf8_next(text, &cp);
        if (cp >= 0x10000)
            phi_buf_printf(&c->out, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + ((cp - 0x10000) & 0x3ff));
        else if (cp >= 0x7f || !n)
            phi_buf_printf(&c->out, "\\u%04x", n ? cp : 0xfffd);
        else
            phi_buf_addc(&c->out, (uint8_t)cp);
        text = phi_view_from(text, n ? n : 1);
    }
    cli_put(c, "\n");
}

bool cli_tty(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* ---- tables ---- */

void cli_table_open(struct cli_table *t, struct cli *c, const char *const *heads, size_t cols)
{
    *t = (struct cli_table){ .c = c, .heads = heads, .cols = cols };
}

void cli_cell(struct cli_table *t, struct phi_view text)
{
    PHI_BUF(b, 64 * 1024);
    if (t->n == sizeof t->cell / sizeof *t->cell)
        return;
    phi_text_escape(&b, text, false);
    t->cell[t->n++] = phi_arena_copy(&t->c->arena, phi_buf_view(&b));
}

void cli_cell_ms(struct cli_table *t, int64_t ms)
{
    PHI_BUF(b, 64);
    phi_text_duration(&b, ms);
    cli_cell(t, phi_buf_view(&b));
}

static size_t width(struct phi_view v) /* code points */
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n += (v.p[i] & 0xc0) != 0x80;
    return n;
}

static struct phi_view cut(struct cli_table *t, struct phi_view v, size_t most)
{
    size_t n = 0, points = 0;
    if (width(v) <= most)
        return v;
    while (n < v.n && (points < most - 1 || (v.p[n] & 0xc0) == 0x80))
        points += (v.p[n++] & 0xc0) != 0x80;
    return phi_arena_printf(&t->c->arena, PHI_FMT "…", PHI_ARG(phi_view_upto(v, n)));
}

static void row(struct cli_table *t, const struct phi_view *cells, const size_t *wide)
{
    size_t gap = 0;
    for (size_t k = 0; k < t->cols; k++) {
        struct phi_view text = wide[k] ? cut(t, cells[k], wide[k]) : (struct phi_view){ 0 };
        if (!wide[k])
            continue;
        for (; gap > 0; gap--)
            phi_buf_addc(&t->c->out, ' ');
        phi_buf_add(&t->c->out, text);
        gap = wide[k] + 2 - width(text);
    }
    cli_put(t->c, "\n");
}

/* A column without a text in any row has the width 0 and is not shown. */
static void measure(const struct cli_table *t, size_t *wide)
{
    for (size_t i = 0; i < t->n; i++)
        if (width(t->cell[i]) > wide[i % t->cols])
            wide[i % t->cols] = width(t->cell[i]);
    for (size_t k = 0; k < t->cols; k++)
        if (wide[k] && width(phi_view_of(t->heads[k])) > wide[k])
            wide[k] = width(phi_view_of(t->heads[k]));
}

/* On a terminal that is too narrow prose is cut, the widest first; `phi show` has all of it. */
static void narrow(const struct cli_table *t, size_t *wide)
{
    struct winsize w = { 0 };
    size_t all = 0;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return;
    for (size_t k = 0; k < t->cols; k++)
        all += wide[k] ? wide[k] + (all ? 2 : 0) : 0;
    for (; all > w.ws_col; all--) {
        size_t widest = t->cols;
        for (size_t k = 0; k < t->cols; k++)
            if ((t->prose >> k & 1) && wide[k] > LEAST_PROSE && (widest == t->cols || wide[k] > wide[widest]))
                widest = k;
        if (widest == t->cols)
            return;
        wide[widest]--;
    }
}

void cli_table_close(struct cli_table *t, const char *none)
{
    size_t wide[16] = { 0 };
    struct phi_view heads[16];
    if (t->n < t->cols) {
        cli_put(t->c, none);
        return;
    }
    for (size_t k = 0; k < t->cols; k++)
        heads[k] = phi_view_of(t->heads[k]);
    measure(t, wide);
    narrow(t, wide);
    row(t, heads, wide);
    for (size_t i = 0; i + t->cols <= t->n; i += t->cols)
        row(t, t->cell + i, wide);
}

struct phi_view cli_names(struct cli *c, const struct phi_json *list)
{
    PHI_BUF(b, 64 * 1024);
    for (size_t i = 0; list && i < list->n; i++) {
        if (i)
            phi_buf_adds(&b, ", ");
        phi_buf_add(&b, list->items[i].str);
    }
    return phi_arena_copy(&c->arena, phi_buf_view(&b));
}
