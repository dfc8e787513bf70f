/* The event loop: callbacks on one thread. Only this room names the loop library.
 *
 * Everything that belongs to a loop is used on the loop's thread, except net_post and net_loop_stop.
 * A handle may be closed inside any callback, its own included; after a close its callback is never
 * called again, and the pointer is dead. Whoever opened a handle closes it before the loop. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "base/view.h"

struct net_loop;
struct net_timer;
struct net_watch;
struct net_signal;

typedef void (*net_fn)(void *ctx);

/* PHI_EIO when the system gives no more descriptors or memory. */
enum phi_rc net_loop_open(struct net_loop **ret, struct phi_err *err);
/* All handles must be closed. Waits for connections given to net_conn_finish. NULL is fine. */
void net_loop_close(struct net_loop *loop);
void net_loop_run(struct net_loop *loop);   /* until net_loop_stop; may be run again */
void net_loop_once(struct net_loop *loop);  /* waits for something to happen, handles it, returns */
void net_loop_stop(struct net_loop *loop);  /* from any thread */
bool net_loop_stopped(const struct net_loop *loop); /* a stop that no run has taken yet */

/* Calls `fn` on the loop soon, in order; from any thread. False when out of memory (not called). */
bool net_post(struct net_loop *loop, net_fn fn, void *ctx);
/* Runs `work` on a thread of a small pool, then `done` on the loop, always. For what blocks. */
bool net_work(struct net_loop *loop, net_fn work, net_fn done, void *ctx);

/* Calls `fn` from the loop, after the running callback; on the loop's thread only. Embedded in its
 * owner, so it cannot fail; asking twice is asking once. */
struct net_later {
    net_fn fn;
    void *ctx;
    struct net_later *next, *prev; /* the loop's */
};
void net_later(struct net_loop *loop, struct net_later *d);
void net_later_cancel(struct net_later *d);

/* Timers (milliseconds, monotonic; they don't count a suspended machine: what must end compares
 * phi_now_boot_ms itself). NULL when out of memory. */
struct net_timer *net_timer_open(struct net_loop *loop, net_fn fn, void *ctx);
void net_timer_set(struct net_timer *t, int64_t after_ms, int64_t repeat_ms); /* repeat 0: once */
void net_timer_clear(struct net_timer *t);
void net_timer_close(struct net_timer *t); /* NULL is fine */

/* A descriptor that the caller owns and reads and writes itself (non-blocking). Close the watch
 * before the descriptor. Level-triggered. Errors and hang-ups show as readable and writable. */
enum { NET_READ = 1, NET_WRITE = 2 };
typedef void (*net_watch_fn)(void *ctx, int events);
enum phi_rc net_watch_open(struct net_loop *loop, int fd, net_watch_fn fn, void *ctx,
                           struct net_watch **ret, struct phi_err *err);
void net_watch_set(struct net_watch *w, int events); /* NET_READ | NET_WRITE, or 0 to rest */
void net_watch_close(struct net_watch *w);           /* NULL is fine */

/* Signals (SIGTERM, SIGINT, SIGHUP, SIGCHLD), delivered on the loop. */
enum phi_rc net_signal_open(struct net_loop *loop, int signum, net_fn fn, void *ctx,
                            struct net_signal **ret, struct phi_err *err);
void net_signal_close(struct net_signal *s); /* NULL is fine */

#endif
