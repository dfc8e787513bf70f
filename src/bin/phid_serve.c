#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/change.h"
#include "api/compare.h"
#include "api/doctor.h"
#include "api/issuer.h"
#include "api/renew.h"
#include "api/server.h"
#include "api/witness.h"
#include "base/logline.h"
#include "base/notify.h"
#include "bin/phid_backup.h"
#include "bin/phid_places.h"
#include "bin/phid_tls.h"
#include "guard/fetch.h"
#include "store/pgsql.h"

#define SIGN_TIMEOUT_MS 5000

#define LISTS_MS 1000 /* how often the file of revoked certificates is looked at */

struct phid {
    const struct phid_config *config;
    struct phid_data data;
    struct phid_places places;
    struct api_env env;
    struct phid_outgoing out;
    struct phi_changer changer;
    struct api_reports reports;
    struct net_loop *loop;
    struct net_tls *tls, *people_tls;
    struct net_signal *reread;
    struct net_signal *term, *interrupt, *child;
    struct api_files *files;
    struct api_hub *hub;
    struct api_engine *engine;
    struct guard_fetch *fetch;
    struct api_issuers *issuers;
    struct api_server *server;
    struct phid_control *control;
    struct api_witness *witness;
    struct net_timer *beats, *lists;
    struct phid_seen revoked;
    struct api_job beat_job;
    bool draining, failed, beating;
};

/* ---- stopping ---- */

static void all_over(void *ctx)
{
    net_loop_stop(((struct phid *)ctx)->loop);
}

/* What is on its way is dropped first, so that no answer finds its asker gone. */
static void outgoing_close(struct phid *p)
{
    guard_fetch_close(p->fetch);
    p->fetch = NULL;
    api_witness_close(p->witness);
    api_compare_close(p->env.compare);
    p->env.compare = NULL;
    api_renew_close(p->env.renew);
    p->env.renew = NULL;
    p->witness = NULL;
    phid_outgoing_close(&p->out);
}

static void close_all(void *ctx)
{
    struct phid *p = ctx;
    if (p->data.shared)
        phi_store_pgsql_quiet(p->data.store);
    phid_control_close(p->control);
    p->control = NULL;
    phid_outgoing_stop(&p->out);
    api_witness_stop(p->witness);
    api_compare_stop(p->env.compare);
    api_renew_stop(p->env.renew);
    api_engine_close(p->engine); /* answers nobody waits for any more; commits what was begun */
    outgoing_close(p);
    p->engine = NULL;
    net_post(p->loop, all_over, p);
}

/* This may be called by what the core's last answer set free, with more answers behind it: those have their owners until
 * the loop is back at its own work. */
static void told(void *ctx)
{
    struct phid *p = ctx;
    if (!net_post(p->loop, close_all, p)) {
        PHI_LOG(ERROR, "cannot stop in order", "why", "%s", "out of memory");
        abort();
    }
}

/* Nobody asks any more; what is being told arrives first. */
static void drained(void *ctx)
{
    struct phid *p = ctx;
    phid_outgoing_drain(&p->out, told, p);
}

static void drain(void *ctx)
{
    struct phid *p = ctx;
    if (p->draining)
        return;
    p->draining = true;
    PHI_LOG(INFO, "draining", "streams", "%zu", api_hub_count(p->hub));
    phi_notify("STOPPING=1");
    api_hub_drain(p->hub);
    api_server_drain(p->server, drained, p);
}

/* Without the signer no head is signed again: whoever supervises phid starts both anew. */
static void child_look(struct phid *p, pid_t pid, const char *what)
{
    siginfo_t info = { 0 };
    if (p->draining || pid == 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid)
        return;
    PHI_LOG(ERROR, what, "status", "%d", info.si_status);
    p->failed = true;
    drain(p);
}

static void child_ended(void *ctx)
{
    struct phid *p = ctx;
    child_look(p, phi_signer_pid(p->data.signer), "the signer has ended");
    child_look(p, p->fetch ? guard_fetch_pid(p->fetch) : 0, "the process that asks outside has ended");
}

/* On the loop's thread: a signer that is no child of ours has ended. */
static void signer_lost(void *ctx)
{
    struct phid *p = ctx;
    if (p->draining)
        return;
    PHI_LOG(ERROR, "the signer has ended", NULL, "%s", "");
    p->failed = true;
    drain(p);
}

static enum phi_rc head_sign(void *self, int64_t *from, int64_t size, const struct phi_digest *root,
                             const struct phi_tree_proof *proof, struct phi_buf *ret_note,
                             struct phi_err *err)
{
    struct phid *p = self;
    struct phi_signer_proc *s = p->data.signer;
    enum phi_rc rc = phi_signer_sign(s, (uint64_t)*from, (uint64_t)size, root, proof,
                                     SIGN_TIMEOUT_MS, ret_note, err);
    if (rc == PHI_ECONFLICT)
        *from = (int64_t)phi_signer_head(s).size;
    if (phi_signer_gone(s))
        net_post(p->loop, signer_lost, p);
    return rc;
}

static enum phi_rc next_key(void *self, struct phi_buf *ret_note, struct phi_err *err)
{
    struct phid *p = self;
    return phi_signer_next(p->data.signer, SIGN_TIMEOUT_MS, ret_note, err);
}

static void use_key(void *self, const struct phi_pubkey *key)
{
    struct phid *p = self;
    phi_signer_use(p->data.signer, key);
}

/* ---- alive ---- */

/* The supervisor hears from us only while the core thread still commits. */
static void beat_done(struct api_job *j)
{
    struct phid *p = j->arg;
    p->beating = false;
    if (j->rc == PHI_OK)
        phi_notify("WATCHDOG=1");
}

static enum phi_rc beat_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    (void)c, (void)arg, (void)err;
    return PHI_OK;
}

static void beat(void *ctx)
{
    struct phid *p = ctx;
    if (p->beating || p->draining)
        return;
    p->beat_job = (struct api_job){ .run = beat_run, .done = beat_done, .arg = p };
    p->beating = api_engine_submit(p->engine, &p->beat_job);
}

static enum phi_rc beat_open(struct phid *p, struct phi_err *err)
{
    int64_t every = phi_notify_every_ms();
    if (!every)
        return PHI_OK;
    p->beats = net_timer_open(p->loop, beat, p);
    if (!p->beats)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    net_timer_set(p->beats, every, every);
    return PHI_OK;
}

/* SIGHUP, or another list of revoked certificates. What does not do changes nothing. */
static void reread(void *ctx)
{
    struct phid *p = ctx;
    struct phi_err err = { 0 };
    struct net_tls *fresh = NULL;
    int64_t ends_ms;
    if (phid_tls_open(p->config, &fresh, &ends_ms, &err) != PHI_OK) {
        PHI_LOG(ERROR, "the certificate stays as it was", "why", "%s", err.msg);
        return;
    }
    if (!fresh)
        return;
    api_server_tls(p->server, fresh);
    __atomic_store_n(&p->env.people_cert_ends_ms, ends_ms, __ATOMIC_RELAXED);
    net_tls_close(p->people_tls);
    p->people_tls = fresh;
    PHI_LOG(INFO, "the certificate was read again", NULL, "%s", "");
}

static void lists_look(void *ctx)
{
    struct phid *p = ctx;
    if (phid_tls_changed(p->config, &p->revoked))
        reread(p);
}

static enum phi_rc lists_open(struct phid *p, struct phi_err *err)
{
    if (!p->config->devices_revoked[0])
        return PHI_OK;
    p->lists = net_timer_open(p->loop, lists_look, p);
    if (!p->lists)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    net_timer_set(p->lists, LISTS_MS, LISTS_MS);
    return PHI_OK;
}

/* ---- starting ---- */

static enum phi_rc tls_open(struct phid *p, struct phi_err *err)
{
    PHI_BUF(chain, 64 * 1024);
    PHI_BUF(key, 64 * 1024);
    const struct phid_list *names = &p->config->all_gateway_names;
    PHI_TRY(phi_ca_server(p->data.ca, names->item, names->n, &chain, &key, err));
    struct net_tls_server_opts o = { .cert_pem = phi_buf_view(&chain),
                                     .key_pem = phi_buf_view(&key),
                                     .client_ca_pem = phi_ca_pem(p->data.ca) };
    enum phi_rc rc = net_tls_server_open(&o, &p->tls, err);
    phi_buf_wipe(&key);
    return rc;
}

/* The folder that phid.yaml names, else the installed one where it is there. */
static enum phi_rc console_open(struct phid *p, struct phi_err *err)
{
    const char *dir = p->config->console;
    if (!dir[0] && access(PHID_WEB_INSTALLED "/index.html", R_OK) == 0)
        dir = PHID_WEB_INSTALLED;
    return dir[0] ? api_files_open(dir, &p->files, err) : PHI_OK;
}

/* Before the loop, any thread, and any key in memory. */
static enum phi_rc fetch_start(struct phid *p, struct phi_err *err)
{
    const struct phid_config *c = p->config;
    struct guard_fetch_conf conf = { .n_allow = c->outgoing_allow.n,
                                     .ca_file = c->outgoing_ca,
                                     .change_uid = geteuid() == 0,
                                     .uid = (uid_t)c->outgoing_uid,
                                     .gid = (gid_t)c->outgoing_uid };
    _Static_assert(PHID_HOSTS_MAX <= GUARD_FETCH_ALLOW_MAX, "every entry of the list has room");
    for (size_t i = 0; i < conf.n_allow; i++)
        conf.allow[i] = c->outgoing_allow.item[i];
    p->issuers = api_issuers_open();
    PHI_TRY(p->issuers ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory"));
    return guard_fetch_spawn(&conf, &p->fetch, err);
}

static void env_fill(struct phid *p)
{
    bool secure = p->config->url[4] == 's';
    p->env = (struct api_env){ .origin = p->config->url,
                               .secure = secure,
                               .ca = p->data.ca,
                               .gateway_cert_ms = p->config->gateway_cert_ms,
                               .cookie = secure ? "__Host-phi_session" : "phi_session",
                               .reports = &p->reports,
                               .fetch = guard_fetch_port(p->fetch),
                               .issuers = p->issuers,
                               .secrets = p->config->secrets,
                               .tickets_url = p->config->tickets_url,
                               .tickets_again_ms = p->config->tickets_again_ms,
                               .tickets_secret = p->config->tickets_secret,
                               .proxies = p->places.proxy,
                               .n_proxies = p->places.n_proxies,
                               .apps = p->config->apps.item,
                               .n_apps = p->config->apps.n,
                               .log_key = phi_view_of(p->data.key_line) };
}

/* On the listener's thread: it ends with the store, but the engine goes before that. */
static void others_said(void *ctx)
{
    api_engine_hear(ctx);
}

static enum phi_rc core_open(struct phid *p, struct phi_err *err)
{
    struct phi_checkpoint head = phi_signer_head(p->data.signer);
    p->hub = api_hub_open(p->loop);
    if (!p->hub)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    p->changer = (struct phi_changer){ &p->env, api_change_make };
    phid_outgoing_hear(&p->out, api_hub_notifier(p->hub));
    struct api_engine_opts o = { .loop = p->loop,
                                 .changer = &p->changer,
                                 .places = &p->places.port,
                                 .networks = p->places.network,
                                 .n_networks = p->places.n_networks,
                                 .store = p->data.store,
                                 .origin = p->data.origin,
                                 .key = p->data.key_line,
                                 .clock = p->data.clock,
                                 .rng = &phid_rng,
                                 .notifier = &p->out.notifier,
                                 .sign = head_sign,
                                 .next_key = next_key,
                                 .use_key = use_key,
                                 .sign_self = p,
                                 .signed_size = (int64_t)head.size };
    PHI_TRY(api_engine_open(&o, &p->engine, err));
    api_hub_bind(p->hub, p->engine);
    PHI_TRY(phid_outgoing_start(&p->out, p->loop, p->engine, p->env.fetch, p->config->url, p->env.secrets, err));
    PHI_TRY(api_witness_open(p->loop, p->engine, p->env.fetch, &p->witness, err));
    PHI_TRY(api_compare_open(p->loop, p->engine, &p->env.compare, err));
    PHI_TRY(api_renew_open(&p->env, p->engine, &p->env.renew, err));
    PHI_TRY(api_engine_start(p->engine, err));
    return p->data.shared ? phi_store_pgsql_listen(p->data.store, others_said, p->engine, err) : PHI_OK;
}

static enum phi_rc server_open(struct phid *p, struct phi_err *err)
{
    const struct phid_config *c = p->config;
    struct api_server_opts o = { .loop = p->loop,
                                 .env = &p->env,
                                 .engine = p->engine,
                                 .hub = p->hub,
                                 .files = p->files,
                                 .people = c->people,
                                 .gateways = c->gateways,
                                 .gateways_tls = p->tls,
                                 .people_tls = p->people_tls,
                                 .hosts = c->all_hosts.item,
                                 .n_hosts = c->all_hosts.n,
                                 .shared = p->data.shared };
    return api_server_open(&o, &p->server, err);
}

static enum phi_rc start(struct phid *p, struct phi_err *err)
{
    PHI_TRY(phid_outgoing_spawn(&p->config->commands, (uid_t)p->config->outgoing_uid + 1, &p->out, err));
    PHI_TRY(fetch_start(p, err));
    PHI_TRY(phid_places_open(p->config, &p->places, err));
    PHI_TRY(phid_data_open(p->config, &p->data, err));
    env_fill(p);
    PHI_TRY(tls_open(p, err));
    phid_tls_changed(p->config, &p->revoked); /* before it is read: a change in between is one */
    PHI_TRY(phid_tls_open(p->config, &p->people_tls, &p->env.people_cert_ends_ms, err));
    PHI_TRY(console_open(p, err));
    PHI_TRY(net_loop_open(&p->loop, err));
    PHI_TRY(guard_fetch_bind(p->fetch, p->loop, err));
    PHI_TRY(net_signal_open(p->loop, SIGTERM, drain, p, &p->term, err));
    PHI_TRY(net_signal_open(p->loop, SIGINT, drain, p, &p->interrupt, err));
    PHI_TRY(core_open(p, err));
    PHI_TRY(server_open(p, err));
    PHI_TRY(net_signal_open(p->loop, SIGHUP, reread, p, &p->reread, err));
    PHI_TRY(net_signal_open(p->loop, SIGCHLD, child_ended, p, &p->child, err));
    PHI_TRY(beat_open(p, err));
    PHI_TRY(lists_open(p, err));
    PHI_TRY(phid_control_open(p->config, &p->data, p->engine, &p->control, err));
    child_ended(p); /* it may have ended before anybody watched */
    return PHI_OK;
}

static void stop(struct phid *p)
{
    api_server_close(p->server);
    if (p->engine) {
        if (p->data.shared)
            phi_store_pgsql_quiet(p->data.store);
        phid_control_close(p->control);
        phid_outgoing_stop(&p->out);
        api_witness_stop(p->witness);
        api_compare_stop(p->env.compare);
        api_renew_stop(p->env.renew);
        api_engine_close(p->engine);
        outgoing_close(p);
        net_post(p->loop, all_over, p);
        net_loop_run(p->loop);
    }
    outgoing_close(p);
    api_reports_free(&p->reports);
    phid_places_close(&p->places);
    phid_data_close(&p->data); /* before the loop's end, which waits for clients that are slow to leave */
    api_hub_close(p->hub);
    net_timer_close(p->beats);
    net_timer_close(p->lists);
    net_signal_close(p->term);
    net_signal_close(p->interrupt);
    net_signal_close(p->child);
    net_signal_close(p->reread);
    net_loop_close(p->loop);
    api_issuers_close(p->issuers);
    net_tls_close(p->tls);
    net_tls_close(p->people_tls);
    api_files_close(p->files);
}

/* As many connections as the system lets us have. */
static void descriptors_raise(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

int phid_serve(const struct phid_config *c)
{
    struct phi_err err = { 0 };
    struct phid p = { .config = c, .data = { .lock = -1 } };
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise();
    enum phi_rc rc = start(&p, &err);
    if (rc == PHI_OK) {
        PHI_LOG(INFO, "people", "address", "%s", c->people);
        PHI_LOG(INFO, "gateways", "address", "%s", c->gateways);
        PHI_LOG(INFO, "ready", "url", "%s", c->url);
        phi_notify("READY=1");
        net_loop_run(p.loop);
        PHI_LOG(INFO, "stopped", NULL, "%s", "");
    }
    stop(&p);
    return rc != PHI_OK ? phid_fail(&err) : p.failed;
}
