/* The parts of phid that its commands share: core's ports, and the data folder with what is in it. */
#ifndef BIN_PHID_H
#define BIN_PHID_H

#include "api/ca.h"
#include "bin/phid_config.h"
#include "core/core.h"
#include "guard/signer.h"

extern const struct phi_clock phid_clock;
extern const struct phi_rng phid_rng;

struct phid_data { /* the opened data folder */
    char origin[160];
    char key_line[400]; /* the log's verifier key, with its newline */
    struct phi_signer_proc *signer;
    struct phi_store *store;
    struct phi_ca *ca;
    const struct phi_clock *clock; /* of this store: shared by all phids on it */
    bool shared;                   /* other phids may use the store too */
    int lock;                      /* the folder is ours while it is open */
};

/* Makes the folder at the first start (0700), forks the signer (so: before any thread), opens CA and
 * store. Refuses a folder that others may enter or that another phid has open, and a shared store whose log is
 * signed by another key. */
enum phi_rc phid_data_open(const struct phid_config *c, struct phid_data *ret, struct phi_err *err);
/* Restoring. First the folder is made ours, and refused when it holds anything; then, its files in place, the signer makes a key for
 * the new origin, and the store is opened as PHID_RESTORING where it is a file: its log is still that of another key. */
#define PHID_RESTORED  "/restored-"
#define PHID_RESTORING "restoring.db"
enum phi_rc phid_data_claim(const struct phid_config *c, struct phid_data *ret, struct phi_err *err);
enum phi_rc phid_data_open_restored(const struct phid_config *c, const char *origin, struct phid_data *ret, struct phi_err *err);
struct stat;
/* Whether it is a folder that nobody else may enter. */
enum phi_rc phid_data_private(const char *path, const struct stat *st, struct phi_err *err);
void phid_data_close(struct phid_data *d); /* also after a failed open */

/* `phid bootstrap`: the first administrator, the starter bundle, and a one-time link on standard output. */
int phid_bootstrap(const struct phid_config *c, const char *admin);
/* `phid link NAME`: a one-time link for somebody who is there, for whoever owns the data folder. phid must
 * not be serving; the link is logged as made by the system. */
int phid_link(const struct phid_config *c, const char *name);
/* `phid signer`: the log's signer for the phid at the other end of standard input, a socket that a supervisor has
 * accepted (phi-signer.socket). */
int phid_signer(const struct phid_config *c);
/* `phid backup DIR`: by the phid that serves, or alone where none does. */
int phid_backup(const struct phid_config *c, const char *dir);
/* `phid rotate-log-key`: by the phid that serves. */
int phid_rotate(const struct phid_config *c);
/* `phid restore DIR`: into a data folder that holds nothing yet. The log begins anew under another origin, every right ends. */
int phid_restore(const struct phid_config *c, const char *dir);
/* `phid`: serves until SIGTERM. */
enum phi_rc phid_check(const struct phid_config *c, struct phi_err *err); /* what --check-config looks at beyond the form */
int phid_serve(const struct phid_config *c);

int phid_fail(const struct phi_err *err); /* says why; 1 */

#endif
