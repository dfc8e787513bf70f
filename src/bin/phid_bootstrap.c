#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "bin/phid.h"
#include "core/bundle.h"
#include "core/person.h"
#include "core/session.h"

struct first {
    struct phi_view admin;
    struct phi_buf texts[3]; /* schema, policies, requirements */
    struct phi_arena arena;
    struct phi_person person;
    struct phi_link link;
    struct phi_bundle_view bundle;
};

static enum phi_rc first_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct first *f = arg;
    const struct phi_actor self = { .kind = PHI_ACTOR_SYSTEM };
    PHI_TRY(phi_person_first(c, &f->arena, f->admin, &f->person, err));
    PHI_TRY(phi_bundle_put(c, &f->arena, &self, phi_buf_view(&f->texts[0]),
                           phi_buf_view(&f->texts[1]), phi_buf_view(&f->texts[2]), &f->bundle,
                           err));
    return phi_link_make(c, &self, f->person.id, &f->link, err);
}

/* `policy` of phid.yaml, else what is installed beside this program, else the source tree's. */
static enum phi_rc starter_read(const struct phid_config *c, struct first *f, struct phi_err *err)
{
    static const char *const names[] = { "schema.cedarschema", "policies.cedar",
                                         "requirements.yaml" };
    const char *dir = c->policy[0]                                ? c->policy
                      : access(PHID_STARTER_INSTALLED, R_OK) == 0 ? PHID_STARTER_INSTALLED
                                                                  : PHID_STARTER_SOURCE;
    char path[4096];
    for (size_t i = 0; i < 3; i++) {
        phi_buf_init(&f->texts[i], PHI_MAX_BUNDLE);
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, names[i]) >= sizeof(path))
            return phi_fail(err, PHI_ELIMIT, "the policy folder's path is too long");
        PHI_TRY(phi_file_read(path, PHI_MAX_BUNDLE, &f->texts[i], err));
    }
    return PHI_OK;
}

/* One command on the data folder itself. The store is ours alone while it is open, so this fails
 * beside a phid that serves. */
static enum phi_rc offline(const struct phid_config *c, struct phid_data *d,
                           enum phi_rc (*run)(struct phi_core *, void *, struct phi_err *), void *arg,
                           struct phi_err *err)
{
    struct phi_core *core = NULL;
    PHI_TRY(phid_data_open(c, d, err));
    struct phi_core_config config = { .origin = d->origin,
                                      .key = d->key_line,
                                      .store = d->store,
                                      .clock = d->clock,
                                      .rng = &phid_rng };
    PHI_TRY(phi_core_open(&config, &core, err));
    enum phi_rc rc = phi_core_do(core, run, arg, err);
    phi_core_close(core);
    return rc;
}

static void link_say(const struct phid_config *c, struct phi_link *link, const char *name, const char *is)
{
    PHI_BUF(life, 64);
    phi_text_duration(&life, link->expires_in_ms);
    fprintf(stderr, "%s%s This link signs in once, within %s:\n", name, is, phi_buf_str(&life));
    printf("%s/login/%s\n", c->url, link->secret);
}

int phid_bootstrap(const struct phid_config *c, const char *admin)
{
    struct phi_err err = { 0 };
    struct phid_data data = { .lock = -1 };
    struct first f = { .admin = phi_view_of(admin) };
    phi_arena_init(&f.arena, 64 * 1024 * 1024);
    enum phi_rc rc = starter_read(c, &f, &err);
    if (rc == PHI_OK)
        rc = offline(c, &data, first_run, &f, &err);
    if (rc == PHI_OK)
        link_say(c, &f.link, admin, " is the first administrator.");
    phi_wipe(&f.link, sizeof(f.link));
    for (size_t i = 0; i < 3; i++)
        phi_buf_done(&f.texts[i]);
    phi_arena_done(&f.arena);
    phid_data_close(&data);
    return rc == PHI_OK ? 0 : phid_fail(&err);
}

struct again {
    struct phi_view name;
    struct phi_link link;
};

static enum phi_rc again_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct again *a = arg;
    return phi_link_make(c, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM }, a->name, &a->link, err);
}

int phid_link(const struct phid_config *c, const char *name)
{
    struct phi_err err = { 0 };
    struct phid_data data = { .lock = -1 };
    struct again a = { .name = phi_view_of(name) };
    PHI_BUF(db, 4096);
    phi_buf_printf(&db, "%s/phi.db", c->data);
    enum phi_rc rc = c->store[0] || access(phi_buf_str(&db), F_OK) == 0
                         ? offline(c, &data, again_run, &a, &err)
                         : phi_fail(&err, PHI_ENOTFOUND, "%s has no phid's data yet; `phid bootstrap` starts one", c->data);
    if (rc == PHI_OK)
        link_say(c, &a.link, name, ":");
    phi_wipe(&a.link, sizeof(a.link));
    phid_data_close(&data);
    return rc == PHI_OK ? 0 : phid_fail(&err);
}
