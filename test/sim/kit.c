#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "core/token.h"

static const char *const names[] = { "root", "alice", "bob", "carol", "dora", "mallory", "ci" };
static const char *const groups[KIT_PEOPLE] = { "admin", "dev", "dba", "dba", "dba", "guest" };

/* ---- who is who */

const char *kit_name(enum kit_who who)
{
    return names[who];
}

struct phi_actor kit_actor(const struct kit *k, enum kit_who who)
{
    return (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = k->person[who] };
}

struct phi_actor kit_gateway(int i)
{
    return (struct phi_actor){ .kind = PHI_ACTOR_GATEWAY, .id = i == 1 ? PHI_LIT("gw1") : PHI_LIT("gw2") };
}

/* ---- ports in the test's hand */

static int64_t wall_ms(void *self)
{
    return ((struct kit *)self)->wall;
}

static int64_t boot_ms(void *self)
{
    return ((struct kit *)self)->boot;
}

static const char *boot_id(void *self)
{
    return ((struct kit *)self)->boot_id;
}

uint64_t kit_random(struct kit *k) /* splitmix64 */
{
    uint64_t z = (k->seed += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void fill(void *self, void *p, size_t n)
{
    uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)kit_random(self);
}

static void fan_out(void *self, const struct phi_event *events, size_t n)
{
    struct kit *k = self;
    k->events += n;
    for (size_t i = 0; i < n; i++)
        if (events[i].kind == PHI_EVENT_END)
            k->last_end = events[i].seq;
        else if (events[i].kind == PHI_EVENT_TOLD)
            snprintf(k->told, sizeof k->told, PHI_FMT, PHI_ARG(events[i].reason));
}

/* "Test/East" is nine hours ahead; 203.0.113.0/24 is in Japan. */
static bool zone_offset(void *self, struct phi_view zone, int64_t wall, int64_t *ret_s)
{
    (void)self, (void)wall;
    *ret_s = 9 * 3600;
    return phi_view_is(zone, "Test/East");
}

static bool country_of(void *self, const struct phi_addr *addr, char ret[3])
{
    struct phi_cidr block;
    (void)self;
    phi_cidr_read(PHI_LIT("203.0.113.0/24"), &block, NULL);
    snprintf(ret, 3, "JP");
    return phi_cidr_has(&block, addr);
}

static const struct phi_places places = { NULL, zone_offset, country_of };

void kit_pass(struct kit *k, int64_t ms)
{
    k->wall += ms;
    k->boot += ms;
}

/* ---- setting up */

static enum phi_rc set_people(struct kit *k, struct phi_core *c, struct phi_err *err)
{
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    for (int i = 0; i < KIT_PEOPLE; i++) {
        struct phi_person p;
        struct phi_view group = phi_view_of(groups[i]);
        PHI_TRY(phi_person_add(c, &k->keep, &phid, phi_view_of(names[i]), &group, 1, &p, err));
        k->person[i] = p.id;
    }
    return PHI_OK;
}

static enum phi_rc set_gateway(struct kit *k, struct phi_core *c, int i, struct phi_err *err)
{
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM }, gw = kit_gateway(i);
    struct phi_view shop = PHI_LIT("shop"), name;
    struct phi_digest key = phi_sha256(gw.id);
    char code[PHI_TOKEN_LEN + 1];
    int64_t ms;
    PHI_TRY(phi_gateway_add(c, &phid, gw.id, &shop, 1, code, &ms, err));
    return phi_gateway_enroll(c, &k->keep, phi_view_of(code), &key, &name, err);
}

enum phi_rc kit_starter(struct kit *k, const char *name, struct phi_view *ret, struct phi_err *err)
{
    char path[512];
    struct phi_buf b;
    phi_buf_init(&b, PHI_MAX_BUNDLE);
    snprintf(path, sizeof path, "%s/%s", TEST_BUNDLE_DIR, name);
    enum phi_rc rc = phi_file_read(path, PHI_MAX_BUNDLE, &b, err);
    *ret = phi_arena_copy(&k->keep, phi_buf_view(&b));
    phi_buf_done(&b);
    return rc;
}

static enum phi_rc set_up(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct kit *k = arg;
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    struct phi_target shop = { PHI_LIT("shop"), PHI_LIT("postgresql"), PHI_LIT("localhost:6432"), PHI_LIT("shop") };
    struct phi_bundle_view live;
    struct phi_view schema, policies, requirements;
    PHI_TRY(kit_starter(k, "schema.cedarschema", &schema, err));
    PHI_TRY(kit_starter(k, "policies.cedar", &policies, err));
    PHI_TRY(kit_starter(k, "requirements.yaml", &requirements, err));
    PHI_TRY(set_people(k, c, err));
    PHI_TRY(phi_target_put(c, &phid, &shop, err));
    PHI_TRY(set_gateway(k, c, 1, err));
    PHI_TRY(set_gateway(k, c, 2, err));
    return phi_bundle_put(c, &k->keep, &phid, schema, policies, requirements, &live, err);
}

static enum phi_rc set_credentials(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct kit *k = arg;
    for (int i = KIT_ALICE; i < KIT_PEOPLE; i++) {
        struct phi_credential cred;
        struct phi_actor who = kit_actor(k, (enum kit_who)i);
        PHI_TRY(phi_credential_make(c, &k->keep, &who, PHI_LIT("shop"), &cred, err));
        k->credential[i] = cred.id;
    }
    return PHI_OK;
}

static enum phi_rc open_core(struct kit *k, struct phi_core **ret)
{
    struct phi_core_config config = { .origin = "phi.test/log",
                                      .key = "phi.test/log+00000000+test",
                                      .store = k->store,
                                      .clock = &k->clock,
                                      .rng = &k->rng,
                                      .notifier = &k->notifier,
                                      .places = &places,
                                      .networks = k->networks,
                                      .n_networks = k->n_networks };
    phi_core_close(*ret);
    *ret = NULL;
    return phi_core_open(&config, ret, &k->err);
}

enum phi_rc kit_reopen(struct kit *k)
{
    return open_core(k, &k->core);
}

enum phi_rc kit_second(struct kit *k)
{
    return open_core(k, &k->other);
}

void kit_turn(struct kit *k)
{
    struct phi_core *was = k->core;
    k->core = k->other;
    k->other = was;
}

static enum phi_rc set_token(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct kit *k = arg;
    struct phi_actor root = kit_actor(k, KIT_ROOT);
    struct phi_token_want want = { .who = PHI_LIT("ci"), .name = PHI_LIT("t"), .rights = 1u << PHI_RIGHT_ASK, .ms = 3600000 };
    struct phi_token t;
    char secret[PHI_API_TOKEN_LEN + 1];
    return phi_token_make(c, &k->a, &root, &want, secret, &t, err);
}

enum phi_rc kit_token(struct kit *k)
{
    return phi_core_do(k->core, set_token, k, &k->err);
}

static enum phi_rc set_service(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct kit *k = arg;
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM }, ci;
    struct phi_view group = PHI_LIT("dev");
    struct phi_person p;
    struct phi_credential cred;
    PHI_TRY(phi_service_add(c, &k->keep, &phid, PHI_LIT("ci"), &group, 1, &p, err));
    k->person[KIT_CI] = p.id;
    ci = kit_actor(k, KIT_CI);
    PHI_TRY(phi_credential_make(c, &k->keep, &ci, PHI_LIT("shop"), &cred, err));
    k->credential[KIT_CI] = cred.id;
    return PHI_OK;
}

enum phi_rc kit_service(struct kit *k)
{
    return phi_core_do(k->core, set_service, k, &k->err);
}

enum phi_rc kit_credentials(struct kit *k)
{
    return phi_core_do(k->core, set_credentials, k, &k->err);
}

static void must(struct kit *k, enum phi_rc rc, const char *what)
{
    if (rc == PHI_OK)
        return;
    fprintf(stderr, "kit: %s: %s (%s:%d)\n", what, k->err.msg, k->err.file ? k->err.file : "?", k->err.line);
    exit(2);
}

static void ports(struct kit *k)
{
    k->clock = (struct phi_clock){ k, wall_ms, boot_ms, boot_id };
    k->rng = (struct phi_rng){ k, fill };
    k->notifier = (struct phi_notifier){ k, fan_out };
    phi_arena_init(&k->a, (size_t)256 << 20);
    phi_arena_init(&k->keep, (size_t)64 << 20);
}

void kit_copy(struct kit *k, const struct kit *from, struct phi_store *store, uint64_t seed)
{
    *k = *from;
    k->store = store;
    k->core = k->other = NULL;
    k->seed = seed;
    ports(k);
    must(k, kit_reopen(k), "open a copy");
}

void kit_open(struct kit *k, struct phi_store *store, uint64_t seed)
{
    *k = (struct kit){ .store = store, .wall = 1790000000000, .boot = 1000000, .boot_id = "boot-1", .seed = seed };
    ports(k);
    must(k, kit_reopen(k), "open");
    must(k, phi_core_do(k->core, set_up, k, &k->err), "set-up");
    must(k, phi_core_do(k->core, set_credentials, k, &k->err), "credentials");
    must(k, kit_lease(k, 1), "lease");
    must(k, kit_lease(k, 2), "lease");
}

void kit_forget(struct kit *k)
{
    phi_arena_done(&k->a);
}

void kit_close(struct kit *k)
{
    phi_core_close(k->core);
    phi_core_close(k->other);
    phi_arena_done(&k->a);
    phi_arena_done(&k->keep);
}
