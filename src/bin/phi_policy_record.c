/* `phi policy record`: what was asked of a phid, as files that `phi policy diff` replays. */
#include <stdio.h>

#include "base/map.h"
#include "base/os.h"
#include "bin/phi.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define ENTITIES_MAX 1000000

struct recording {
    struct cli *c;
    struct phi_buf requests, entities;
    struct phi_map *known;
    int64_t n, erased;
};

static int too_large(void)
{
    return cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "there is too much: choose a shorter period" });
}

static void line_add(struct phi_buf *b, const struct phi_json *v)
{
    struct phi_jw w;
    phi_jw_init(&w, b);
    phi_jw_value(&w, v);
    phi_buf_adds(b, "\n");
}

static bool entity_add(struct recording *r, const struct phi_json *v)
{
    PHI_BUF(name, 1 << 16);
    struct phi_jw w;
    phi_jw_init(&w, &name);
    phi_jw_value(&w, phi_json_get(v, "uid"));
    if (phi_map_get(r->known, phi_buf_view(&name)))
        return true;
    phi_buf_adds(&r->entities, r->entities.n > 1 ? "," : "");
    line_add(&r->entities, v);
    return phi_buf_ok(&name) && phi_map_put(r->known, phi_buf_view(&name), r);
}

static int page_take(struct recording *r, const struct phi_json *page)
{
    const struct phi_json *requests = phi_json_get(page, "requests"), *entities = phi_json_get(page, "entities");
    for (size_t i = 0; requests && i < requests->n; i++, r->n++)
        line_add(&r->requests, &requests->items[i]);
    for (size_t i = 0; entities && i < entities->n; i++)
        if (!entity_add(r, &entities->items[i]))
            return too_large();
    r->erased += phi_json_num(page, "erased", 0);
    return phi_buf_ok(&r->requests) && phi_buf_ok(&r->entities) ? CLI_DONE : too_large();
}

static int pages(struct recording *r)
{
    int64_t from, to, skip = 0;
    int rc = cli_when(r->c, OPT_FROM, 0, &from);
    if (rc || (rc = cli_when(r->c, OPT_TO, phi_now_wall_ms() + 1, &to)) || (rc = cli_open(r->c)))
        return rc;
    do {
        char path[160];
        struct client_reply reply;
        snprintf(path, sizeof path, "/v1/requests/replay?from_ms=%lld&to_ms=%lld&skip=%lld", (long long)from, (long long)to, (long long)skip);
        if ((rc = cli_call(r->c, "GET", path, NULL, &reply)) || (rc = page_take(r, reply.json)))
            return rc;
        skip = phi_json_num(reply.json, "next", 0);
    } while (skip > 0);
    return CLI_DONE;
}

static int files_write(struct recording *r)
{
    const struct {
        const char *name;
        const struct phi_buf *text;
    } files[] = { { "requests.jsonl", &r->requests }, { "entities.json", &r->entities } };
    struct phi_err err = { 0 };
    if (phi_dir_make(r->c->arg[0], 0700, &err) != PHI_OK)
        return cli_err(&err);
    for (int i = 0; i < 2; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", r->c->arg[0], files[i].name);
        if (phi_file_write(path, phi_buf_view(files[i].text), 0600, &err) != PHI_OK)
            return cli_err(&err);
    }
    phi_buf_printf(&r->c->out, "%lld recorded", (long long)r->n);
    if (r->erased)
        phi_buf_printf(&r->c->out, ", %lld erased ones left out", (long long)r->erased);
    cli_put(r->c, "; phi policy diff OLD NEW --requests ");
    cli_esc(r->c, phi_view_of(r->c->arg[0]));
    cli_put(r->c, "/requests.jsonl --entities ");
    cli_esc(r->c, phi_view_of(r->c->arg[0]));
    cli_put(r->c, "/entities.json\n");
    return CLI_DONE;
}

int cli_do_policy_record(struct cli *c)
{
    struct recording r = { .c = c, .known = phi_map_open(ENTITIES_MAX) };
    phi_buf_init(&r.requests, FILE_BYTES_MAX);
    phi_buf_init(&r.entities, FILE_BYTES_MAX);
    phi_buf_adds(&r.entities, "[");
    int rc = r.known ? pages(&r) : too_large();
    phi_buf_adds(&r.entities, "]\n");
    if (!rc)
        rc = files_write(&r);
    phi_map_close(r.known);
    phi_buf_done(&r.requests);
    phi_buf_done(&r.entities);
    return rc;
}
