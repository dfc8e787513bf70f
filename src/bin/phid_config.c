#include "bin/phid_config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "api/secrets.h"
#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "base/yaml.h"
#include "net/sock.h"

#define CONFIG_MAX (64 * 1024)

enum kind { TEXT, NUMBER, LIST, STORE, TLS, NETWORKS, COMMANDS, TICKETS };

static const struct key {
    const char *name;
    enum kind kind;
    size_t at;
    const char *otherwise; /* NULL: must be there */
    const char *help;
} keys[] = {
    { "data", TEXT, offsetof(struct phid_config, data), NULL,
      "Folder of the store, the log key and the CA; made with mode 0700" },
    { "people", TEXT, offsetof(struct phid_config, people), "127.0.0.1:8470",
      "Address for browsers, the CLI and AuthZEN callers; plain HTTP without `tls`, so then loopback or behind a TLS proxy" },
    { "tls", TLS, 0, "",
      "`{cert: FILE, key: FILE}` in PEM, the certificate first and then what leads to its CA: HTTPS on `people` (TLS 1.3 or 1.2), read again on SIGHUP" },
    { "devices", TEXT, offsetof(struct phid_config, devices), "",
      "PEM file of the CA of your devices' certificates: who connects to `people` with one (its common name is the device's) acts with `context.device`; needs `tls`, read again on SIGHUP" },
    { "devices_revoked", TEXT, offsetof(struct phid_config, devices_revoked), "",
      "PEM file with the lists (CRLs) of certificates that this CA has taken back; read again when it changes. Past its `nextUpdate` no device's certificate is good" },
    { "gateways", TEXT, offsetof(struct phid_config, gateways), "127.0.0.1:8471",
      "Address for gateways; TLS 1.3 with client certificates" },
    { "url", TEXT, offsetof(struct phid_config, url), "",
      "What people open, without a path, for links and the Origin check; otherwise localhost and the port of `people`" },
    { "console", TEXT, offsetof(struct phid_config, console), "",
      "Folder with the console's files, read once at the start; otherwise the installed one" },
    { "policy", TEXT, offsetof(struct phid_config, policy), "",
      "Folder with the bundle that `bootstrap` makes live; otherwise the installed starter" },
    { "log", TEXT, offsetof(struct phid_config, log), "",
      "Name (origin) of the log, fixed at the first start; otherwise one is made up" },
    { "store", STORE, 0, "sqlite",
      "`sqlite`: one file in the data folder. Or `postgresql: \"host=… dbname=… user=… sslmode=verify-full\"` (libpq's words, TLS too) and "
      "`password_file: FILE` (and `copy_before_update: false`, docs/nodes.md), for one phid or several over one database; each has a data folder of its own with the same "
      "`origin`, `log.key`, `log.state` and CA files, copied from the first" },
    { "hosts", LIST, offsetof(struct phid_config, hosts), "",
      "More Host headers that the people's listener answers to, with the port where it is not the usual one" },
    { "networks", NETWORKS, 0, "",
      "Names for blocks of addresses, which policies ask for as `context.networks`: `{office: [10.1.0.0/16, 2001:db8:1::/48], vpn: 10.9.0.0/24}`" },
    { "trusted_proxies", LIST, offsetof(struct phid_config, trusted_proxies), "",
      "Addresses and blocks of proxies before `people` whose X-Forwarded-For is believed; anybody else's is not looked at" },
    { "countries", TEXT, offsetof(struct phid_config, countries), "",
      "MaxMind file (.mmdb) with `country.iso_code`, for `context.country`; otherwise the country is unknown, and what rests on it is denied" },
    { "apps", LIST, offsetof(struct phid_config, apps), "",
      "Origins (`https://wiki.example`) of applications behind `/v1/authz` that a person who waited is led back to" },
    { "gateway_names", LIST, offsetof(struct phid_config, gateway_names), "",
      "More names or addresses in the certificate of the gateways' listener" },
    { "gateway_certificates", TEXT, offsetof(struct phid_config, gateway_certificates), "90d",
      "How long a gateway's certificate lasts, such as `90d`; it renews it by itself when two thirds of that are over" },
    { "secrets", TEXT, offsetof(struct phid_config, secrets), "",
      "Folder with one secret a file (0600), named after what uses it, such as `oidc-NAME`; `credential:` takes systemd's" },
    { "outgoing_allow", LIST, offsetof(struct phid_config, outgoing_allow), "",
      "Addresses and networks inside, such as `10.1.0.0/16`, that phid may ask all the same (identity providers, webhooks); loopback also without TLS" },
    { "outgoing_ca", TEXT, offsetof(struct phid_config, outgoing_ca), "",
      "PEM file of a CA that phid trusts outside, besides the system's" },
    { "outgoing_uid", NUMBER, offsetof(struct phid_config, outgoing_uid), "61471",
      "Uid and gid of the process that asks outside, where phid starts as root" },
    { "signer", TEXT, offsetof(struct phid_config, signer), "",
      "Socket of a signer that runs as a service of another user (`phid --config … signer`); otherwise phid forks one. `log` must be given" },
    { "signer_folder", TEXT, offsetof(struct phid_config, signer_folder), "",
      "That service's folder, of its user alone: the log's key and last head" },
    { "signer_uid", NUMBER, offsetof(struct phid_config, signer_uid), "61470",
      "Uid and gid of the signer process, where phid starts as root" },
    { "commands", COMMANDS, 0, "",
      "`{NAME: [PROGRAM, ARGUMENT, …]}`: what channels of kind `command` may run (docs/notify.md), as the user after `outgoing_uid` where phid starts as root" },
    { "tickets", TICKETS, 0, "",
      "`{url: URL, secret: NAME, again: 1m}`: the webhook that phid asks about a ticket, the file under `secrets` that its questions are signed with, and how old an answer may be (at most `5m`, or `always`) before a vote or claim asks again (docs/tickets.md); inside your network only with `outgoing_allow`" },
};
#define KEYS_N (sizeof(keys) / sizeof(keys[0]))

static const struct key *key_find(struct phi_view name)
{
    for (size_t i = 0; i < KEYS_N; i++)
        if (phi_view_is(name, keys[i].name))
            return &keys[i];
    return NULL;
}

static enum phi_rc list_read(struct phi_arena *a, const struct key *k, const struct phi_json *v, struct phid_list *ret,
                             struct phi_err *err)
{
    if (v->kind != PHI_JSON_ARR || v->n > PHID_HOSTS_MAX)
        return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"%s\" is a list of at most %d texts", v->line, k->name,
                        PHID_HOSTS_MAX);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i].kind != PHI_JSON_STR)
            return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"%s\" holds texts", v->items[i].line, k->name);
        ret->item[ret->n++] = phi_arena_str(a, v->items[i].str);
    }
    return PHI_OK;
}

static bool network_name_ok(struct phi_view name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-' || name.p[i] == '_'))
            return false;
    return name.n > 0 && name.n <= 63;
}

static enum phi_rc networks_read(struct phi_arena *a, const struct phi_json *v, struct phid_networks *ret, struct phi_err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct phi_json *of = &v->items[i];
        size_t n = of->kind == PHI_JSON_ARR ? of->n : 1;
        for (size_t k = 0; k < n; k++) {
            const struct phi_json *block = of->kind == PHI_JSON_ARR ? &of->items[k] : of;
            if (v->kind != PHI_JSON_OBJ || !network_name_ok(v->keys[i]) || block->kind != PHI_JSON_STR || ret->n == PHID_NETWORKS_MAX)
                return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"networks\" has names (a-z, 0-9, _ and -) with at most %d blocks in all, "
                                "such as office: [10.1.0.0/16]", block->line, PHID_NETWORKS_MAX);
            ret->name[ret->n] = phi_arena_str(a, v->keys[i]);
            ret->block[ret->n++] = phi_arena_str(a, block->str);
        }
    }
    return v->kind == PHI_JSON_OBJ ? PHI_OK : phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"networks\" has names with blocks, such as office: [10.1.0.0/16]", v->line);
}

static enum phi_rc store_read(struct phi_arena *a, const struct phi_json *v, struct phid_config *c, struct phi_err *err)
{
    bool known = v->kind == PHI_JSON_OBJ;
    if (v->kind == PHI_JSON_STR && phi_view_is(v->str, "sqlite"))
        return PHI_OK;
    for (size_t i = 0; known && i < v->n; i++) {
        const struct phi_json *is = &v->items[i];
        bool is_info = phi_view_is(v->keys[i], "postgresql"), is_file = phi_view_is(v->keys[i], "password_file");
        bool is_copy = phi_view_is(v->keys[i], "copy_before_update");
        known = is_copy ? is->kind == PHI_JSON_BOOL : (is_info || is_file) && is->kind == PHI_JSON_STR && is->str.n;
        if (known && is_copy)
            c->store_no_copy = !is->b;
        else if (known)
            *(is_info ? &c->store : &c->store_password_file) = phi_arena_str(a, is->str);
    }
    if (known && c->store[0])
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"store\" is sqlite, or has \"postgresql\" (a text) and maybe \"password_file\" and "
                                     "\"copy_before_update\" (true or false)", v->line);
}

static enum phi_rc tls_read(struct phi_arena *a, const struct phi_json *v, struct phid_config *c, struct phi_err *err)
{
    const struct phi_json *cert = phi_json_get(v, "cert"), *key = phi_json_get(v, "key");
    if (v->kind != PHI_JSON_OBJ || v->n != 2 || !cert || !key || cert->kind != PHI_JSON_STR || key->kind != PHI_JSON_STR ||
        !cert->str.n || !key->str.n)
        return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"tls\" has two files, \"cert\" and \"key\"", v->line);
    c->tls_cert = phi_arena_str(a, cert->str);
    c->tls_key = phi_arena_str(a, key->str);
    return PHI_OK;
}

static enum phi_rc tickets_read(struct phi_arena *a, const struct phi_json *v, struct phid_config *c, struct phi_err *err)
{
    struct phi_view url = phi_json_text(v, "url"), secret = phi_json_text(v, "secret"), again = phi_json_text(v, "again");
    bool has_again = phi_json_get(v, "again") != NULL, always = phi_view_is(again, "always");
    c->tickets_again_ms = always ? -1 : PHI_TICKET_RENEW_MS;
    bool ok = v->kind == PHI_JSON_OBJ && v->n == 2u + has_again && api_secret_name_ok(secret) &&
              (!has_again || always || (phi_text_duration_read(again, &c->tickets_again_ms) && c->tickets_again_ms <= PHI_TICKET_FRESH_MS)) &&
              (phi_view_starts(url, PHI_LIT("https://")) || phi_view_starts(url, PHI_LIT("http://")));
    for (size_t i = 0; ok && i < url.n; i++)
        ok = url.p[i] > ' ' && url.p[i] < 0x7f && url.p[i] != '"' && url.p[i] != '#' && url.p[i] != '@';
    if (!ok)
        return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"tickets\" has \"url\" (https://…; http:// to loopback only), \"secret\", the name of a file under \"secrets\", and maybe \"again\", at most 5m or always", v->line);
    c->tickets_url = phi_arena_str(a, url);
    c->tickets_secret = phi_arena_str(a, secret);
    return PHI_OK;
}

static enum phi_rc value_read(struct phi_arena *a, const struct key *k, const struct phi_json *v,
                              struct phid_config *ret, struct phi_err *err)
{
    void *at = (char *)ret + k->at;
    switch (k->kind) {
    case TEXT:
        if (v->kind != PHI_JSON_STR || !v->str.n)
            return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"%s\" is a text", v->line, k->name);
        *(const char **)at = phi_arena_str(a, v->str);
        return PHI_OK;
    case NUMBER:
        if (v->kind != PHI_JSON_INT || v->i < 1 || v->i > INT32_MAX)
            return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"%s\" is a whole number", v->line, k->name);
        *(int64_t *)at = v->i;
        return PHI_OK;
    case LIST: return list_read(a, k, v, at, err);
    case NETWORKS: return networks_read(a, v, &ret->networks, err);
    case STORE: return store_read(a, v, ret, err);
    case TLS: return tls_read(a, v, ret, err);
    case TICKETS: return tickets_read(a, v, ret, err);
    case COMMANDS: return phid_commands_read(a, v, &ret->commands, err);
    }
    return PHI_EINPUT;
}

static void defaults_set(struct phid_config *c)
{
    *c = (struct phid_config){ .store = "", .store_password_file = "", .tls_cert = "", .tls_key = "", .tickets_url = "", .tickets_secret = "" };
    for (size_t i = 0; i < KEYS_N; i++) {
        void *at = (char *)c + keys[i].at;
        if (keys[i].kind == TEXT)
            *(const char **)at = keys[i].otherwise;
        else if (keys[i].kind == NUMBER)
            phi_view_int(phi_view_of(keys[i].otherwise), at);
    }
}

static enum phi_rc list_add(struct phid_list *l, const char *item, struct phi_err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->item[i], item) == 0)
            return PHI_OK;
    if (l->n == PHID_HOSTS_MAX)
        return phi_fail(err, PHI_ELIMIT, "phid.yaml: more than %d names", PHID_HOSTS_MAX);
    l->item[l->n++] = item;
    return PHI_OK;
}

/* "http://localhost:8470" gives "localhost:8470", what its Host header says. */
static enum phi_rc url_check(struct phi_arena *a, struct phid_config *c, const struct net_hostport *people, struct phi_err *err)
{
    if (!c->url[0])
        c->url = (const char *)phi_arena_printf(a, "%s://localhost:%d", c->tls_cert[0] ? "https" : "http", people->port).p;
    size_t skip = strncmp(c->url, "http://", 7) == 0 ? 7 : strncmp(c->url, "https://", 8) == 0 ? 8 : 0;
    if (!c->url || !skip || !c->url[skip] || strpbrk(c->url + skip, "/?#@ \"'<>\\"))
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"url\" is http:// or https://, a name, and a port where it is not the usual one");
    if (c->devices_revoked[0] && !c->devices[0])
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"devices_revoked\" is for the certificates of \"devices\"");
    if (c->devices[0] && !c->tls_cert[0])
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"devices\" needs \"tls\": behind a proxy phid sees no certificate");
    if (c->tls_cert[0] && skip != 8)
        return phi_fail(err, PHI_EINPUT, "phid.yaml: with \"tls\" the \"url\" begins with https://");
    return list_add(&c->all_hosts, c->url + skip, err);
}

static enum phi_rc names_fill(struct phi_arena *a, struct phid_config *c, struct phi_err *err)
{
    static const char *const loopback[] = { "localhost", "127.0.0.1", "[::1]" };
    struct net_hostport people, gateways;
    PHI_TRY(net_hostport_read(c->people, &people, err));
    PHI_TRY(net_hostport_read(c->gateways, &gateways, err));
    PHI_TRY(url_check(a, c, &people, err));
    for (size_t i = 0; i < c->hosts.n; i++)
        PHI_TRY(list_add(&c->all_hosts, c->hosts.item[i], err));
    for (size_t i = 0; net_host_is_loopback(people.host) && i < 3; i++)
        PHI_TRY(list_add(&c->all_hosts, (const char *)phi_arena_printf(a, "%s:%d", loopback[i], people.port).p, err));
    PHI_TRY(list_add(&c->all_gateway_names, phi_arena_str(a, phi_view_of(gateways.host)), err));
    PHI_TRY(list_add(&c->all_gateway_names, "localhost", err));
    PHI_TRY(list_add(&c->all_gateway_names, "127.0.0.1", err));
    for (size_t i = 0; i < c->gateway_names.n; i++)
        PHI_TRY(list_add(&c->all_gateway_names, c->gateway_names.item[i], err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

static enum phi_rc mode_check(const char *path, struct phi_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    if (st.st_mode & 022)
        return phi_fail(err, PHI_EDENIED, "%s: group or others may write it; chmod go-w it", path);
    return PHI_OK;
}

enum phi_rc phid_config_read(struct phi_arena *a, const char *path, struct phid_config *ret, struct phi_err *err)
{
    PHI_BUF(text, CONFIG_MAX);
    const struct phi_json *v;
    PHI_TRY(mode_check(path, err));
    PHI_TRY(phi_file_read(path, CONFIG_MAX, &text, err));
    PHI_TRY(phi_yaml_read(a, phi_buf_view(&text), "phid.yaml", &v, err));
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "phid.yaml: not a list of \"key: value\"");
    defaults_set(ret);
    for (size_t i = 0; i < v->n; i++) {
        const struct key *k = key_find(v->keys[i]);
        if (!k)
            return phi_fail(err, PHI_EINPUT, "phid.yaml:%u: \"" PHI_FMT "\" is not known", v->items[i].line,
                            PHI_ARG(phi_view_upto(v->keys[i], 64)));
        PHI_TRY(value_read(a, k, &v->items[i], ret, err));
    }
    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].kind == TEXT && !*(const char **)((char *)ret + keys[i].at))
            return phi_fail(err, PHI_EINPUT, "phid.yaml: \"%s\" is missing", keys[i].name);
    if (ret->tickets_url[0] && !ret->secrets[0])
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"tickets\" needs \"secrets\", the folder that its secret is in");
    if (ret->signer[0] && !ret->log[0])
        return phi_fail(err, PHI_EINPUT, "phid.yaml: with \"signer\" the log's name must be given: log: phi.example.org/1");
    if (!phi_text_duration_read(phi_view_of(ret->gateway_certificates), &ret->gateway_cert_ms) || ret->gateway_cert_ms < 10000)
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"gateway_certificates\" is a time such as 90d, of at least 10s");
    return names_fill(a, ret, err);
}

void phid_config_page(struct phi_buf *out)
{
    static const char *const kinds[] = { [TEXT] = "text", [NUMBER] = "number", [LIST] = "list of texts", [STORE] = "text or keys", [TLS] = "two files", [NETWORKS] = "names and blocks", [COMMANDS] = "names and lists", [TICKETS] = "texts" };
    phi_buf_adds(out, "# phid.yaml\n\nGenerated by `phid config` from `src/bin/phid_config.c`; do not edit.\n"
                      "An unknown key is an error with its line. Neither group nor others may write the file.\n\n"
                      "| key | kind | otherwise | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < KEYS_N; i++)
        phi_buf_printf(out, "| `%s` | %s | %s | %s |\n", keys[i].name, kinds[keys[i].kind],
                       !keys[i].otherwise ? "must be there" : keys[i].otherwise[0] ? keys[i].otherwise : "–", keys[i].help);
}
