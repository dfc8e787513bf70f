/* The command line `phi`: what its commands share. It uses the public API and nothing else. */
#ifndef BIN_PHI_H
#define BIN_PHI_H

#include "client/api.h"

enum cli_exit { /* DESIGN.md, "The command line" */
    CLI_DONE = 0,
    CLI_ERROR = 1,
    CLI_USAGE = 2,
    CLI_DENIED = 3,
    CLI_EXPIRED = 4,
    CLI_PENDING = 5,
    CLI_UNREACHABLE = 6
};

enum cli_opt {
    OPT_JSON,
    OPT_HELP,
    OPT_WHY,
    OPT_DIGEST,
    OPT_YES,
    OPT_FOR,
    OPT_USES,
    OPT_REQUIREMENT,
    OPT_TICKET,
    OPT_TARGET,
    OPT_WAIT,
    OPT_MINE,
    OPT_ALL,
    OPT_PRINT,
    OPT_GROUP,
    OPT_ADDRESS,
    OPT_DATABASE,
    OPT_KIND,
    OPT_LIMIT,
    OPT_FROM,
    OPT_DIR,
    OPT_KEY,
    OPT_PART,
    OPT_CHECK,
    OPT_ENTITIES,
    OPT_CONTEXT,
    OPT_MET,
    OPT_CAN,
    OPT_LEVEL,
    OPT_POLICIES,
    OPT_SCHEMA,
    OPT_ACTION,
    OPT_RESOURCE,
    OPT_REQUESTS,
    OPT_FORMAT,
    OPT_OUT,
    OPT_WITNESS,
    OPT_GLASS,
    OPT_WATCH,
    OPT_CONTROL,
    OPT_TO,
    OPT_BUDGET,
    OPT_WINDOW,
    OPT_EXTENDS,
    OPT_CHANGES,
    OPT_SUGGEST,
    OPT_BEHALF,
    OPT_PERSON,
    OPT_ENVIRONMENT,
    OPT_TAG,
    OPT_ZONE,
    OPT_QUIET,
    OPT_SCOPE,
    OPT_FILE,
    OPT_TIMEOUT,
    OPT_DEVICE,
    OPT_SERVICE,
    OPT_N
};
#define OB(o) (UINT64_C(1) << OPT_##o)

struct cli_opt_row {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    const char *value; /* what it takes, for help; NULL: nothing */
    const char *text;
};
extern const struct cli_opt_row cli_opts[OPT_N];

#define CLI_VALUES_MAX 16
#define CLI_ARGS_MAX 32

struct cli {
    const struct cli_cmd *cmd;
    const char *arg[CLI_ARGS_MAX + 1]; /* operands */
    int n_args;
    char **rest; /* what follows "--", NULL-terminated; NULL: nothing */
    const char *opt[OPT_N][CLI_VALUES_MAX];
    int n_opt[OPT_N];

    struct phi_arena arena;
    struct phi_buf out; /* written to standard output at the end */
    struct net_loop *loop;
    struct client *client;
    struct net_http_server *server; /* of a sign-in through the browser; NULL */
    char dir[512];    /* PHI_CONFIG_DIR */
    char origin[320]; /* of the server */
    char *token;      /* secret; NULL: not signed in */
};

struct cli_cmd {
    const char *noun, *verb; /* verb NULL: a flat command, or the noun's default */
    const char *args;        /* "CODE", "NAME…", as help shows them */
    int min, max;            /* operands */
    uint64_t opts;           /* OB(…); --json and --help are everybody's */
    const char *text;        /* one sentence for help, completions and man page */
    int (*run)(struct cli *c); /* enum cli_exit */
    bool rest;               /* takes what follows "--" */
};
extern const struct cli_cmd cli_cmds[];
extern const size_t cli_cmds_n;

/* ---- arguments (phi_args.c) ---- */
int cli_parse(struct cli *c, int argc, char **argv); /* CLI_DONE, or says what is wrong */
bool cli_has(const struct cli *c, enum cli_opt o);
const char *cli_opt(const struct cli *c, enum cli_opt o); /* the last; NULL: absent */
int cli_usage(const struct cli *c, const char *what, const char *which); /* CLI_USAGE */
void cli_help(struct phi_buf *b, const struct cli_cmd *cmd); /* NULL: of everything */

/* A day (from its beginning, UTC) or a time; `otherwise` where it is not given. */
int cli_when(struct cli *c, enum cli_opt o, int64_t otherwise, int64_t *ret);

/* ---- server and sign-in (phi_call.c) ---- */
int cli_open(struct cli *c);                 /* with the token; says so when there is none */
int cli_open_at(struct cli *c, const char *url, const char *token);
int cli_url(struct cli *c, struct phi_err *err); /* fills dir, origin and token from the environment and files */
int cli_call(struct cli *c, const char *method, const char *path, struct phi_buf *body, struct client_reply *r);
int cli_fail(struct cli *c, const struct client_reply *r); /* says the problem; its exit code */
void cli_problem(struct cli *c, const struct phi_json *problem); /* phi_words.c: for people; two lines at most */
int cli_err(const struct phi_err *err);      /* says it; CLI_ERROR or what fits its code */
void cli_path(struct cli *c, char *ret, size_t n, const char *name); /* of a file in the folder */

/* ---- output (phi_out.c): what comes from outside passes phi_text_escape ---- */
void cli_put(struct cli *c, const char *text);
void cli_esc(struct cli *c, struct phi_view text);        /* one line */
void cli_esc_lines(struct cli *c, struct phi_view text, const char *indent);
void cli_line(struct cli *c, const char *label, struct phi_view text); /* "label  text"; nothing when empty */
void cli_ms(struct cli *c, int64_t ms);
void cli_json(struct cli *c, const struct phi_json *v);   /* ASCII only, so inert on a terminal */
void cli_flush(struct cli *c);
struct cli_table {
    struct cli *c;
    const char *const *heads;
    size_t cols, n;
    unsigned prose; /* bit k: column k may be cut where the terminal is narrow */
    struct phi_view cell[8 * 512];
};
void cli_table_open(struct cli_table *t, struct cli *c, const char *const *heads, size_t cols);
void cli_cell(struct cli_table *t, struct phi_view text); /* escaped here */
void cli_cell_ms(struct cli_table *t, int64_t ms);
void cli_table_close(struct cli_table *t, const char *none); /* prints the columns that have a text; `none` when it has no rows */
/* Reads `path` and prints the rows of its member `list`: the member keys[i] of each in column i, times left in words; or as JSON
 * where that is asked for. Answers an exit code. */
/* GET of every page: *ret is an object whose member `list` has the rows of all. */
int cli_pages(struct cli *c, const char *path, const char *list, struct phi_json *ret);
int cli_list(struct cli *c, const char *path, const char *list, const char *const *heads, const char *const *keys, size_t n, const char *none);
struct phi_view cli_names(struct cli *c, const struct phi_json *list); /* "a, b" of a list of strings */
bool cli_tty(void);                                   /* a person sits there */

/* ---- requests (phi_request.c, phi_show.c) ---- */
void cli_request_show(struct cli *c, const struct phi_json *r);
/* The digest is that of the body that is shown. PHI_ECORRUPT: the server shows something else. */
enum phi_rc cli_request_check(struct cli *c, const struct phi_json *r, struct phi_err *err);
int cli_request_wait(struct cli *c, struct phi_view id, struct client_reply *r);
int cli_request_status(const struct phi_json *r); /* exit code of its status */
int cli_request_body(struct cli *c, struct phi_buf *b); /* of what the arguments ask for; CLI_DONE or CLI_USAGE */
struct phi_view cli_request_target(struct cli *c);      /* empty: not named */

/* ---- bounds (phi_bounds.c) */
struct cli_hours { /* "mon-fri 22:00-07:00" */
    unsigned days; /* bit 0 is Monday */
    int64_t from_min, to_min;
};
bool cli_hours_read(const char *text, struct cli_hours *ret);
void cli_days_json(struct phi_jw *w, unsigned days); /* [1,2,…] */
/* --for, --uses, --from, --to, --budget and (of a request) --window as members of an open object. */
enum phi_rc cli_bounds_json(struct cli *c, struct phi_jw *w, bool narrowing, struct phi_err *err);

/* ---- phi_life.c */
void cli_which_path(struct phi_buf *b, const char *noun, const char *which, const char *tail); /* /v1/noun/CODE-or-id…tail */
/* POSTs {} or {key: text} to what the first argument names; prints the answer with --json. */
int cli_act(struct cli *c, const char *noun, const char *tail, const char *key, const char *text, struct client_reply *r);
int cli_say(struct cli *c, const char *text); /* not with --json; CLI_DONE */

int cli_do_comment(struct cli *c), cli_do_ask(struct cli *c), cli_do_watch(struct cli *c), cli_do_revoke_all(struct cli *c);
int cli_do_on_call_list(struct cli *c), cli_do_on_call_set(struct cli *c), cli_do_on_call_end(struct cli *c);
int cli_do_delegation_list(struct cli *c), cli_do_delegation_make(struct cli *c), cli_do_delegation_end(struct cli *c);
int cli_do_target_mark(struct cli *c), cli_do_target_marks(struct cli *c), cli_do_profile(struct cli *c), cli_do_profile_set(struct cli *c);
enum phi_rc cli_session_keep(struct cli *c, struct phi_view token, struct phi_err *err); /* phi_sign.c */
int cli_login_browser(struct cli *c);
int cli_do_session_list(struct cli *c), cli_do_session_end(struct cli *c), cli_do_token_list(struct cli *c), cli_do_token_create(struct cli *c);
int cli_do_token_revoke(struct cli *c), cli_do_service_add(struct cli *c), cli_do_provider_list(struct cli *c), cli_do_provider_set(struct cli *c);
int cli_do_provider_remove(struct cli *c), cli_do_person_identity(struct cli *c);
int cli_do_login(struct cli *c), cli_do_logout(struct cli *c), cli_do_whoami(struct cli *c), cli_do_status(struct cli *c);
int cli_do_connect(struct cli *c), cli_do_run(struct cli *c), cli_do_doctor(struct cli *c);
int cli_do_request(struct cli *c), cli_do_inbox(struct cli *c), cli_do_show(struct cli *c), cli_do_approve(struct cli *c);
int cli_do_deny(struct cli *c), cli_do_cancel(struct cli *c), cli_do_revoke(struct cli *c);
int cli_do_grants(struct cli *c), cli_do_return(struct cli *c), cli_do_review(struct cli *c);
int cli_do_log(struct cli *c), cli_do_log_verify(struct cli *c), cli_do_log_export(struct cli *c);
int cli_do_log_operator(struct cli *c), cli_do_log_vouch(struct cli *c);
int cli_do_log_prove(struct cli *c), cli_do_log_check(struct cli *c), cli_do_log_report(struct cli *c);
int cli_do_person_add(struct cli *c), cli_do_person_list(struct cli *c), cli_do_person_account(struct cli *c), cli_do_person_forget(struct cli *c);
int cli_do_group_add(struct cli *c), cli_do_group_remove(struct cli *c), cli_do_link_make(struct cli *c);
int cli_do_target_add(struct cli *c), cli_do_target_list(struct cli *c);
int cli_do_gateway_add(struct cli *c), cli_do_gateway_remove(struct cli *c), cli_do_gateway_list(struct cli *c);
int cli_do_policy_show(struct cli *c), cli_do_policy_apply(struct cli *c), cli_do_policy_init(struct cli *c);
int cli_do_policy_fmt(struct cli *c), cli_do_policy_check(struct cli *c), cli_do_policy_test(struct cli *c);
int cli_do_policy_explain(struct cli *c), cli_do_policy_authorize(struct cli *c), cli_do_policy_reach(struct cli *c);
int cli_do_policy_record(struct cli *c);
int cli_do_policy_diff(struct cli *c), cli_do_policy_conformance(struct cli *c);
int cli_do_channel_list(struct cli *c), cli_do_channel_set(struct cli *c), cli_do_channel_remove(struct cli *c);
int cli_do_channel_on(struct cli *c), cli_do_channel_off(struct cli *c), cli_do_channel_test(struct cli *c);
int cli_do_contact_list(struct cli *c), cli_do_contact_set(struct cli *c), cli_do_contact_remove(struct cli *c);
int cli_do_notify_list(struct cli *c), cli_do_notify_resend(struct cli *c);
int cli_do_completion(struct cli *c), cli_do_version(struct cli *c);

#endif
