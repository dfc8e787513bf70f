/* Backups of a data folder. A backup is a folder (0700) with the store's file, the other files that phid keeps except the log's
 * key and state (a restored log has new ones), the log's verifier key and last checkpoint, and `backup.json` with the hash of each. */
#ifndef BIN_PHID_BACKUP_H
#define BIN_PHID_BACKUP_H

#include "api/engine.h"
#include "bin/phid.h"

#define PHID_BACKUP_LIST "backup.json"

struct phid_backup {
    const struct phid_config *config;
    const struct phid_data *data;
    const char *dir;            /* a full path; made here, or empty */
    struct api_engine *engine;  /* NULL: nobody else uses the store */
    int64_t size;               /* of the log in it, once made */
    struct phi_digest root;
    char key[400]; /* that signed its head: verifier key line */
};
/* Makes it and checks it: the store's pages, the log's tree and its signed head. Blocks; not on the core's or the loop's thread. */
enum phi_rc phid_backup_make(struct phid_backup *b, struct phi_err *err);

/* What the folder's list says, each file held against it. */
struct phid_backup_said {
    char origin[160], key[400]; /* of the log: verifier key line */
    bool sqlite;
    int64_t size;
    struct phi_digest root;
};
enum phi_rc phid_backup_read(const char *dir, struct phid_backup_said *ret, struct phi_err *err);
/* Copies each listed file but the store's and those that speak of the log into `to`. */
enum phi_rc phid_backup_files(const char *dir, const char *to, struct phi_err *err);
enum phi_rc phid_file_copy(const char *from, const char *to, struct phi_digest *ret, struct phi_err *err); /* `to` must not be there */

/* The head that the log's key has signed: by `*key`, or by the one before it (phid was gone before the first head of the new one
 * was stored), or, `onward`, by one that it was changed for since. *key becomes the one that signed; its name borrows from the
 * arena. In a transaction. PHI_EDENIED: none of them. */
enum phi_rc phid_log_head(struct phi_store *s, struct phi_arena *a, struct phi_view note, bool onward, struct phi_vkey *key,
                          struct phi_checkpoint *ret, struct phi_err *err);

struct phid_log_found {
    int64_t size;
    struct phi_digest root;
    char key[400]; /* that signed the head; the given one where none is signed */
};
/* Rebuilds the log's tree from the store's entries and holds it against the store's head and the signed checkpoint (see
 * phid_log_head; appended to note, which may be NULL). PHI_ECORRUPT says what is false. */
enum phi_rc phid_log_check(struct phi_store *s, const struct phi_vkey *key, struct phid_log_found *ret, struct phi_buf *note,
                           struct phi_err *err);

/* ---- phid_control.c: a socket in the data folder, for who may enter it */
struct phid_control;
/* Serves on a thread of its own until closed. */
enum phi_rc phid_control_open(const struct phid_config *c, const struct phid_data *d, struct api_engine *e, struct phid_control **ret,
                              struct phi_err *err);
void phid_control_close(struct phid_control *k); /* NULL is fine; gives a backup up. Before the engine's end */
/* Asks the phid that serves. PHI_ENOTFOUND: none does; else its answer, a sentence, is appended. */
enum phi_rc phid_control_ask(const struct phid_config *c, const char *ask, struct phi_buf *ret, struct phi_err *err);

#endif
