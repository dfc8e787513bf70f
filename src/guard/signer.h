/* The signer: a process of its own that alone holds the log's key and signs only heads that continue
 * the last one it signed. A phid that was taken over can ask it for nothing else.
 *
 * It is forked before phid starts any thread, over a socket pair; closes every other descriptor,
 * changes to its own uid where phid starts as root, and then may only read and write those two
 * (seccomp, rlimits). It ends when phid does.
 *
 * Files: `key_path` is a PKCS#8 PEM (0600), made at the first start. `state_path` (0600) keeps the
 * last signed checkpoint in two slots, fsynced before the answer leaves; it belongs to the key. Where
 * one is there without the other after the log has begun, the signer refuses to start.
 *
 * Its key can be changed: phi_signer_next makes the next one (in `key_path`.next) and says so, signed by both; once phid has that in
 * its log it asks for heads signed by it (phi_signer_use). From the first such head on nothing is signed by the old key.
 *
 * An installation may run it as a service of another user instead (phi_signer_serve, phi_signer_connect):
 * then even the files are out of phid's reach. */
#ifndef GUARD_SIGNER_H
#define GUARD_SIGNER_H

#include <sys/types.h>

#include "proof/note.h"

struct phi_signer_conf {
    const char *key_path, *state_path;
    const char *origin; /* origin of the log, and the key's name: no blanks, no '+' */
    bool change_uid;    /* only when started as root */
    uid_t uid;
    gid_t gid;
    bool service;       /* started by a supervisor, not forked by phid */
};

struct phi_signer_proc; /* the parent's end */

/* Forks and waits until the signer is ready. PHI_EIO or PHI_EINPUT with the reason when it is not. */
enum phi_rc phi_signer_spawn(const struct phi_signer_conf *conf, struct phi_signer_proc **ret, struct phi_err *err);
/* The signer behind the Unix socket `path` (SOCK_SEQPACKET), which answers for the log `origin`. */
enum phi_rc phi_signer_connect(const char *path, const char *origin, struct phi_signer_proc **ret, struct phi_err *err);
/* Serves the one phid at the other end of the socket fd, then ends. Who may connect is the socket's mode. A second one
 * waits until the first has ended. */
void phi_signer_serve(int fd, const struct phi_signer_conf *conf) __attribute__((noreturn));
void phi_signer_close(struct phi_signer_proc *s); /* ends the process and waits for it; NULL is fine */
pid_t phi_signer_pid(const struct phi_signer_proc *s); /* 0: it is a service of its own */
bool phi_signer_gone(const struct phi_signer_proc *s); /* as of the last ask */

/* The public half and the name, as the log's verifier key; borrowed from s. */
struct phi_vkey phi_signer_key(const struct phi_signer_proc *s);

/* Makes the log's next key, or names the one that was made and not used yet: a note of proof/succession.h, appended to ret. */
enum phi_rc phi_signer_next(struct phi_signer_proc *s, int timeout_ms, struct phi_buf *ret, struct phi_err *err);
/* Heads are asked for by this key from now on: the one in use, or the next. */
void phi_signer_use(struct phi_signer_proc *s, const struct phi_pubkey *with);

/* The last head it signed, as of its last answer: what the next proof must start from. At the first
 * start the size is 0. The origin borrows from s. */
struct phi_checkpoint phi_signer_head(const struct phi_signer_proc *s);

/* Asks for a signature over the head (size, root). `proof` is the consistency proof from
 * phi_signer_head to it (empty from 0, or for the same head again). Blocks at most timeout_ms; one
 * caller at a time. Appends the signed note to ret.
 * PHI_EDENIED: the head is inconsistent with what was signed: somebody rewrote the log.
 * PHI_ENOTFOUND: it has not the key that phi_signer_use named.
 * PHI_ECONFLICT: `old_size` is not the size last signed; phi_signer_head is now up to date.
 * PHI_EIO: no answer in time, the disk failed, or the process is gone (then it stays gone). */
enum phi_rc phi_signer_sign(struct phi_signer_proc *s, uint64_t old_size, uint64_t size, const struct phi_digest *root,
                            const struct phi_tree_proof *proof, int timeout_ms, struct phi_buf *ret,
                            struct phi_err *err);

#endif
