/* log operator, log vouch: what an operator signs, so that gateways take a log that begins anew after a restore */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phi.h"
#include "proof/succession.h"

#define OPERATOR "phi-operator"

int cli_do_log_operator(struct cli *c)
{
    struct phi_key key;
    struct phi_err err = { 0 };
    PHI_BUF(pem, 4096);
    PHI_BUF(line, 512);
    if (access(c->arg[0], F_OK) == 0)
        return cli_err(&(struct phi_err){ .rc = PHI_ECONFLICT, .msg = "this file is there already; a key is never overwritten" });
    enum phi_rc rc = phi_key_make(&key, &err);
    struct phi_vkey vk = { PHI_LIT(OPERATOR), key.pub };
    if (rc == PHI_OK)
        rc = phi_key_pem(&key, &pem, &err);
    phi_key_done(&key);
    if (rc == PHI_OK)
        rc = phi_file_write(c->arg[0], phi_buf_view(&pem), 0600, &err);
    phi_buf_wipe(&pem);
    if (rc != PHI_OK)
        return cli_err(&err);
    phi_vkey_write(&line, &vk);
    cli_put(c, phi_buf_str(&line));
    cli_put(c, "\n");
    fputs("phi: pin this line: in the file \"operators\" of each gateway's state folder, and of phi's own folder\n", stderr);
    return CLI_DONE;
}

/* The last step that waits for a signature; NULL: none does. */
static const struct phi_json *waiting(const struct phi_json *steps)
{
    const struct phi_json *found = NULL;
    for (size_t i = 0; steps && i < steps->n; i++)
        if (phi_view_is(phi_json_text(&steps->items[i], "kind"), "restored") && phi_json_text(&steps->items[i], "note").n == 0)
            found = &steps->items[i];
    return found;
}

static bool agreed(struct cli *c, const struct phi_succession *s)
{
    char answer[8];
    fprintf(stderr, "phi: the log \"%.*s\" was restored from a backup with %llu entries and goes on as \"%.*s\".\n"
                    "What it held after those is lost to phi, and gateways will no longer ask for it.\n",
            (int)s->from.name.n, (const char *)s->from.name.p, (unsigned long long)s->size, (int)s->to.name.n, (const char *)s->to.name.p);
    if (cli_has(c, OPT_YES))
        return true;
    if (!cli_tty())
        return fputs("phi: --yes is needed where no terminal asks\n", stderr), false;
    fputs("Sign that? [y/N] ", stderr);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static enum phi_rc sign(const char *path, struct phi_view text, struct phi_buf *note, struct phi_err *err)
{
    struct phi_key key;
    PHI_BUF(pem, 4096);
    PHI_TRY(phi_file_read_secret(path, 4096, &pem, err));
    enum phi_rc rc = phi_key_from_pem(phi_buf_view(&pem), &key, err);
    phi_buf_wipe(&pem);
    PHI_TRY(rc);
    rc = phi_note_sign(note, text, PHI_LIT(OPERATOR), &key, err);
    phi_key_done(&key);
    return rc;
}

int cli_do_log_vouch(struct cli *c)
{
    struct client_reply r;
    struct phi_succession s;
    struct phi_err err = { 0 };
    struct phi_jw w;
    char path[64];
    PHI_BUF(note, 8192);
    PHI_BUF(body, 16384);
    int rc = cli_open(c);
    if (rc || (rc = cli_call(c, "GET", "/v1/log/steps", NULL, &r)))
        return rc;
    const struct phi_json *step = waiting(phi_json_get(r.json, "steps"));
    if (!step)
        return cli_put(c, "Nothing waits for an operator's signature.\n"), CLI_DONE;
    struct phi_view text = phi_json_text(step, "text");
    if (phi_succession_read(text, &s, &err) != PHI_OK)
        return cli_err(&err);
    if (!agreed(c, &s))
        return CLI_ERROR;
    if (sign(c->arg[0], text, &note, &err) != PHI_OK)
        return cli_err(&err);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "note", phi_buf_view(&note));
    phi_jw_end(&w);
    snprintf(path, sizeof path, "/v1/log/steps/%lld", (long long)phi_json_num(step, "n", 0));
    if ((rc = cli_call(c, "POST", path, &body, &r)))
        return rc;
    cli_put(c, "Signed. Gateways that have this operator's key pinned go on with the new log.\n");
    return CLI_DONE;
}
