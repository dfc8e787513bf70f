/* What the gateway tells phid of its targets, for `phi doctor`: where they really are, so that somebody can try whether
 * one still reaches them without phi, and which PostgreSQL they run. */
#include <string.h>

#include "base/json.h"
#include "gateway/target.h"

static void place_write(struct phi_jw *w, const struct gw_target *t)
{
    struct net_hostport at = { 0 };
    bool local = strncmp(t->o.address, "unix:", 5) == 0;
    if (!local && net_hostport_read(t->o.address, &at, NULL) != PHI_OK)
        local = true;
    phi_jw_kc(w, "host", local ? "" : at.host); /* a socket in a folder: nobody comes from elsewhere */
    phi_jw_ki(w, "port", local ? 0 : at.port);
}

static void target_write(struct phi_jw *w, const struct gw_target *t)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "name", t->o.name);
    place_write(w, t);
    phi_jw_kc(w, "server_version", t->reader == NULL ? "" : gw_super_version(t->reader));
    phi_jw_ki(w, "parser", GW_PARSER_MAJOR);
    phi_jw_kb(w, "tls", t->o.sslmode == GW_SSL_VERIFY_FULL);
    phi_jw_kc(w, "trouble", t->trouble);
    phi_jw_end(w);
}

bool gw_report(struct gw_gateway *g, bool due)
{
    PHI_BUF(text, 16 * 1024);
    struct phi_jw w;
    if (g->phid.report == NULL || !g->phid.fresh(g->phid.ctx))
        return false;
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    for (const struct gw_target *t = g->targets; t != NULL; t = t->next)
        target_write(&w, t);
    phi_jw_end(&w);
    if (!phi_buf_ok(&text))
        return false;
    struct phi_digest now = phi_sha256(phi_buf_view(&text));
    if (!due && memcmp(&now, &g->reported, sizeof now) == 0)
        return false;
    if (!g->phid.report(g->phid.ctx, phi_buf_view(&text)))
        return false;
    g->reported = now;
    return true;
}
