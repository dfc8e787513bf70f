#include "bin/phid_outgoing.h"

#include <unistd.h>

/* ---- phid.yaml */

static enum phi_rc command_read(struct phi_arena *a, const struct phi_json *v, struct guard_command *ret, struct phi_err *err)
{
    bool ok = v->kind == PHI_JSON_ARR && v->n > 0 && v->n <= GUARD_COMMAND_ARGS;
    for (size_t i = 0; ok && i < v->n; i++) {
        ok = v->items[i].kind == PHI_JSON_STR && v->items[i].str.n;
        if (ok)
            ret->argv[i] = phi_arena_str(a, v->items[i].str);
    }
    if (ok && ret->argv[0][0] == '/')
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: a command is a list of texts: a program's absolute path, then at most %d arguments",
                    v->line, GUARD_COMMAND_ARGS - 1);
}

enum phi_rc phid_commands_read(struct phi_arena *a, const struct phi_json *v, struct guard_notifier_conf *ret, struct phi_err *err)
{
    if (v->kind != PHI_JSON_OBJ || v->n > GUARD_COMMANDS_MAX)
        return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"commands\" is at most %d of NAME: [PROGRAM, ARGUMENT, …]", v->line,
                        GUARD_COMMANDS_MAX);
    for (ret->n = 0; ret->n < v->n; ret->n++) {
        ret->command[ret->n].name = phi_arena_str(a, v->keys[ret->n]);
        PHI_TRY(command_read(a, &v->items[ret->n], &ret->command[ret->n], err));
    }
    return PHI_OK;
}

/* ---- running */

enum phi_rc phid_outgoing_spawn(const struct guard_notifier_conf *conf, uid_t uid, struct phid_outgoing *ret, struct phi_err *err)
{
    struct guard_notifier_conf c = *conf;
    *ret = (struct phid_outgoing){ 0 };
    c.change_uid = geteuid() == 0;
    c.uid = uid;
    c.gid = (gid_t)uid;
    return c.n ? guard_notifier_spawn(&c, &ret->commands, err) : PHI_OK;
}

/* On the core thread, after each commit. */
static void heard(void *self, const struct phi_event *events, size_t n)
{
    struct phid_outgoing *o = self;
    bool told = events == NULL, set = told;
    for (size_t i = 0; events && i < n; i++) {
        set |= events[i].kind == PHI_EVENT_TOLD && events[i].request.n == 0;
        told |= events[i].kind == PHI_EVENT_REQUEST || events[i].kind == PHI_EVENT_VOTES || events[i].kind == PHI_EVENT_TOLD ||
                (events[i].kind == PHI_EVENT_GRANT && phi_view_is(events[i].status, "revoked"));
    }
    if (told && o->notify)
        api_notify_wake(o->notify, set);
    o->inner->fan_out(o->inner->self, events, n);
}

void phid_outgoing_hear(struct phid_outgoing *o, const struct phi_notifier *inner)
{
    o->inner = inner;
    o->notifier = (struct phi_notifier){ o, heard };
}

static enum phi_rc command_run(void *self, const char *name, struct phi_view input, api_command_done done, void *ctx,
                               struct phi_err *err)
{
    return guard_notifier_run(self, name, input, done, ctx, err);
}

enum phi_rc phid_outgoing_start(struct phid_outgoing *o, struct net_loop *loop, struct api_engine *engine, struct net_fetch fetch,
                                const char *origin, const char *secrets, struct phi_err *err)
{
    struct api_notify_opts opts = { .loop = loop, .engine = engine, .fetch = fetch, .secrets = secrets, .origin = origin };
    if (o->commands) {
        PHI_TRY(guard_notifier_bind(o->commands, loop, err));
        opts.commands = (struct api_commands){ o->commands, command_run };
    }
    return api_notify_open(&opts, &o->notify, err);
}

void phid_outgoing_drain(struct phid_outgoing *o, net_fn done, void *ctx)
{
    api_notify_drain(o->notify, done, ctx);
}

void phid_outgoing_stop(struct phid_outgoing *o)
{
    api_notify_stop(o->notify);
}

void phid_outgoing_close(struct phid_outgoing *o)
{
    guard_notifier_close(o->commands);
    api_notify_close(o->notify);
    o->commands = NULL;
    o->notify = NULL;
}
