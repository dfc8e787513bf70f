#include "base/test.h"

#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct world {
    struct net_loop *loop;
    struct net_timer *timer;
    struct net_watch *watch;
    struct net_later a, b;
    int n, want, fired, fds[2];
    char order[32];
    pthread_t worker;
};

static void set_up(struct world *w)
{
    assert_int_equal(net_loop_open(&w->loop, NULL), PHI_OK);
}

static void count(void *ctx)
{
    struct world *w = ctx;
    if (++w->n == w->want)
        net_loop_stop(w->loop);
}

static void *post_many(void *ctx)
{
    struct world *w = ctx;
    for (int i = 0; i < w->want; i++)
        while (!net_post(w->loop, count, w)) { }
    return NULL;
}

static void posts_of_another_thread_arrive(void **unused)
{
    (void)unused;
    struct world w = { .want = 10000 };
    pthread_t t;
    set_up(&w);
    assert_int_equal(pthread_create(&t, NULL, post_many, &w), 0);
    net_loop_run(w.loop);
    pthread_join(t, NULL);
    assert_int_equal(w.n, 10000);
    net_loop_close(w.loop);
}

static void posts_that_never_ran_are_dropped(void **unused)
{
    (void)unused;
    struct world w = { .want = -1 };
    set_up(&w);
    assert_true(net_post(w.loop, count, &w));
    net_loop_close(w.loop);
}

static void off_thread(void *ctx)
{
    struct world *w = ctx;
    w->worker = pthread_self();
}

static void work_runs_on_another_thread(void **unused)
{
    (void)unused;
    struct world w = { .want = 1 };
    set_up(&w);
    assert_true(net_work(w.loop, off_thread, count, &w));
    net_loop_run(w.loop);
    assert_false(pthread_equal(w.worker, pthread_self()));
    net_loop_close(w.loop);
}

static void tick(void *ctx)
{
    struct world *w = ctx;
    if (++w->fired == 3) {
        net_timer_close(w->timer); /* inside its own callback */
        net_loop_stop(w->loop);
    }
}

static void a_timer_repeats_until_it_is_closed(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    set_up(&w);
    w.timer = net_timer_open(w.loop, tick, &w);
    net_timer_set(w.timer, 1, 1);
    net_loop_run(w.loop);
    assert_int_equal(w.fired, 3);
    net_loop_close(w.loop);
}

static void later_a(void *ctx)
{
    struct world *w = ctx;
    w->order[strlen(w->order)] = 'a';
    if (strlen(w->order) < 4)
        net_later(w->loop, &w->a); /* again: behind b */
    else
        net_loop_stop(w->loop);
}

static void later_b(void *ctx)
{
    struct world *w = ctx;
    w->order[strlen(w->order)] = 'b';
}

static void what_is_put_off_runs_in_order_and_once(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    set_up(&w);
    w.a = (struct net_later){ .fn = later_a, .ctx = &w };
    w.b = (struct net_later){ .fn = later_b, .ctx = &w };
    net_later(w.loop, &w.a);
    net_later(w.loop, &w.a);
    net_later(w.loop, &w.b);
    net_loop_run(w.loop);
    assert_string_equal(w.order, "abaa");
    net_later(w.loop, &w.b);
    net_later_cancel(&w.b);
    net_later(w.loop, &w.a);
    net_loop_run(w.loop);
    assert_string_equal(w.order, "abaaa");
    net_loop_close(w.loop);
}

static void readable(void *ctx, int events)
{
    struct world *w = ctx;
    char c;
    assert_true(events & NET_READ);
    w->n += (int)read(w->fds[0], &c, 1);
    if (w->n == 2) {
        net_watch_close(w->watch);
        net_loop_stop(w->loop);
    }
}

static void a_watched_descriptor_is_told_as_long_as_it_is_readable(void **unused)
{
    (void)unused;
    struct world w = { 0 };
    set_up(&w);
    assert_int_equal(pipe(w.fds), 0);
    assert_int_equal(net_watch_open(w.loop, w.fds[0], readable, &w, &w.watch, NULL), PHI_OK);
    net_watch_set(w.watch, NET_READ);
    assert_int_equal(write(w.fds[1], "xy", 2), 2);
    net_loop_run(w.loop);
    close(w.fds[0]);
    close(w.fds[1]);
    net_loop_close(w.loop);
}

static void signals_arrive_on_the_loop(void **unused)
{
    (void)unused;
    struct world w = { .want = 1 };
    struct net_signal *s;
    set_up(&w);
    assert_int_equal(net_signal_open(w.loop, SIGTERM, count, &w, &s, NULL), PHI_OK);
    raise(SIGTERM);
    net_loop_run(w.loop);
    assert_int_equal(w.n, 1);
    net_signal_close(s);
    net_loop_close(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_another_thread_arrive),
        cmocka_unit_test(posts_that_never_ran_are_dropped),
        cmocka_unit_test(work_runs_on_another_thread),
        cmocka_unit_test(a_timer_repeats_until_it_is_closed),
        cmocka_unit_test(what_is_put_off_runs_in_order_and_once),
        cmocka_unit_test(a_watched_descriptor_is_told_as_long_as_it_is_readable),
        cmocka_unit_test(signals_arrive_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
