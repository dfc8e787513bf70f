/* What the log's commands share: the pinned key, the signed head, the walk over all entries, the verdict. */
#ifndef BIN_PHI_LOG_H
#define BIN_PHI_LOG_H

#include "bin/phi.h"
#include "proof/verify.h"

struct log_check {
    struct cli *c;
    struct phi_buf key_text, note, earlier_note;
    struct phi_vkey key;
    struct phi_checkpoint head, earlier;
    bool has_earlier, new_key, restored; /* restored: the log begins anew since the pinned key */
    struct phi_buf moved; /* the line of a key that was followed to */
    const char *tiles; /* the folder that they are read from; NULL: no tiles */
    struct phi_audit *audit;
};

void cli_log_begin(struct log_check *k, struct cli *c);
void cli_log_done(struct log_check *k);
/* The key: given with --key, pinned earlier, or (where a server may be asked) the server's at first sight. */
int cli_log_key(struct log_check *k, bool ask);
/* Follows steps of the log to another key where the note is signed by one: *note may then be opened by k->key. */
int cli_log_follow(struct log_check *k, struct phi_view note);
int cli_log_head(struct log_check *k); /* the server's checkpoint, opened with the key */
/* Feeds every entry up to the head to the audit, and to `each` (may be NULL; false: it failed and said why). */
int cli_log_walk(struct log_check *k, bool (*each)(void *ctx, struct phi_view entry), void *ctx);
int cli_log_receipt(struct log_check *k, uint64_t index, struct phi_buf *ret); /* the server's, held against the key */
int cli_log_judge(struct log_check *k, bool online); /* says the verdict; CLI_DONE or CLI_ERROR */

#endif
