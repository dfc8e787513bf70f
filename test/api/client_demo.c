/* What test/flow/clients.py runs: include/phi/client.h as a C program uses it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phi/client.h"

static int work(void *ctx)
{
    puts(ctx);
    return 7;
}

static const char *word(enum phi_client_answer a)
{
    switch (a) {
    case PHI_CLIENT_YES: return "yes";
    case PHI_CLIENT_NO: return "no";
    case PHI_CLIENT_PENDING: return "pending";
    case PHI_CLIENT_OVER: return "over";
    case PHI_CLIENT_ERROR: return "error";
    }
    return "?";
}

static int may(struct phi_client *c, const char *action, const char *resource)
{
    char err[300] = "";
    enum phi_client_answer a = phi_client_may(c, action, resource, err, sizeof err);
    printf("may %s %s\n", word(a), err);
    return a == PHI_CLIENT_YES ? 0 : 1;
}

static int ask(struct phi_client *c, const char *action, const char *resource)
{
    char err[300] = "", done[] = "the work is done";
    int result = 0;
    struct phi_client_request r;
    const struct phi_client_ask what = { .target = "shop", .action = action, .resource = resource, .why = "a C program", .for_ms = 60000 };
    enum phi_client_answer a = phi_client_ask(c, &what, &r, err, sizeof err);
    printf("ask %s %s %s\n", word(a), r.code, err);
    fflush(stdout);
    if (a == PHI_CLIENT_PENDING) {
        a = phi_client_wait(c, &r, 60000, err, sizeof err);
        printf("wait %s %s\n", word(a), a == PHI_CLIENT_YES ? "" : err);
    }
    if (a != PHI_CLIENT_YES)
        return 1;
    a = phi_client_use(c, &r, work, done, &result, err, sizeof err);
    printf("use %s %d\n", word(a), result);
    a = phi_client_use(c, &r, work, done, &result, err, sizeof err);
    printf("again %s %s\n", word(a), err);
    return 0;
}

/* argv: may|ask ACTION RESOURCE; PHI_URL, PHI_TOKEN and PHI_CA_PEM (the text) say where and who. */
int main(int argc, char **argv)
{
    char err[300];
    struct phi_client_options o = { getenv("PHI_URL"), getenv("PHI_TOKEN"), getenv("PHI_CA_PEM") };
    if (argc != 4)
        return 2;
    struct phi_client *c = phi_client_open(&o, err, sizeof err);
    if (!c) {
        printf("open: %s\n", err);
        return 1;
    }
    int rc = strcmp(argv[1], "may") == 0 ? may(c, argv[2], argv[3]) : ask(c, argv[2], argv[3]);
    phi_client_close(c);
    return rc;
}
