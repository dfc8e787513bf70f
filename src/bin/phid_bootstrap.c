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
    const struct phi_actor self = {.kind = PHI_ACTOR_SYSTEM};
    PHI_TRY(phi_person_first(c, &f->arena, f->admin, &f->person, err));
    PHI_TRY(phi_bundle_put(c, &f->arena, &self, phi_buf_view(&f->texts[0]),
                           phi_buf_view(&f->texts[1]), phi_buf_view(&f->texts[2]), &f->bundle,
                           err));
    return phi_link_make(c, &self, f->person.id, &f->link, err);
}

/* `policy` of phid.yaml, else what is installed beside this program, else the source tree's. */
static enum phi_rc starter_read(const struct phid_config *c, struct first *f, struct phi_err *err)
{
    static const char *const names[] = {"schema.cedarschema", "policies.cedar",
                                        "requirements.yaml"};
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

static enum phi_rc bootstrap(const struct phid_config *c, struct phid_data *d, struct first *f,
                             struct phi_err *err)
{
    struct phi_core *core = NULL;
    PHI_TRY(starter_read(c, f, err));
    PHI_TRY(phid_data_open(c, d, err));
    struct phi_core_config config = {.origin = d->origin,
                                     .key = d->key_line,
                                     .store = d->store,
                                     .clock = &phid_clock,
                                     .rng = &phid_rng};
    PHI_TRY(phi_core_open(&config, &core, err));
    enum phi_rc rc = phi_core_do(core, first_run, f, err);
    phi_core_close(core);
    return rc;
}

int phid_bootstrap(const struct phid_config *c, const char *admin)
{
    struct phi_err err = {0};
    struct phid_data data = {0};
    struct first f = {.admin = phi_view_of(admin)};
    phi_arena_init(&f.arena, 64 * 1024 * 1024);
    enum phi_rc rc = bootstrap(c, &data, &f, &err);
    if (rc == PHI_OK) {
        PHI_BUF(life, 64);
        phi_text_duration(&life, f.link.expires_in_ms);
        fprintf(stderr, "%s is the first administrator. This link signs in once, within %s:\n",
                admin, phi_buf_str(&life));
        printf("%s/login/%s\n", c->url, f.link.secret);
    }
    phi_wipe(&f.link, sizeof(f.link));
    for (size_t i = 0; i < 3; i++)
        phi_buf_done(&f.texts[i]);
    phi_arena_done(&f.arena);
    phid_data_close(&data);
    return rc == PHI_OK ? 0 : phid_fail(&err);
}
