/* Attack 50: does the time of comparing a secret tell where it differs? As dudect does it (Reparaz, Balasch, Verbauwhede, "Dude, is my
 * code constant time?", 2017): two classes of inputs in random order, Welch's t (here squared) over the times without the slowest. */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "base/id.h"

#define PAIRS 6000
#define REPEAT 40 /* compares in one measurement: a clock's step is coarser than one */
#define TRIES 6   /* a busy machine may disturb one of them, never a leak hide in all */

typedef bool (*compare)(struct phi_view a, struct phi_view b);

/* What not to do. */
static bool __attribute__((noinline)) naive(struct phi_view a, struct phi_view b)
{
    for (size_t i = 0; i < a.n; i++)
        if (((const volatile uint8_t *)a.p)[i] != b.p[i])
            return false;
    return true;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

struct class {
    double sample[PAIRS];
    size_t n;
};

static void moments(const struct class *c, double limit, double *mean, double *var, double *n)
{
    double m = 0, s = 0, k = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->sample[i] > limit)
            continue;
        k++;
        double d = c->sample[i] - m;
        m += d / k;
        s += d * (c->sample[i] - m);
    }
    *mean = m;
    *var = k > 1 ? s / (k - 1) : 0;
    *n = k;
}

static double welch(const struct class *a, const struct class *b)
{
    static double all[2 * PAIRS];
    double ma, va, na, mb, vb, nb;
    memcpy(all, a->sample, a->n * sizeof *all);
    memcpy(all + a->n, b->sample, b->n * sizeof *all);
    qsort(all, a->n + b->n, sizeof *all, by_size);
    double limit = all[(a->n + b->n) * 8 / 10]; /* interrupts and other programs */
    moments(a, limit, &ma, &va, &na);
    moments(b, limit, &mb, &vb, &nb);
    double spread = va / na + vb / nb;
    return spread > 0 ? (ma - mb) * (ma - mb) / spread : 0; /* t squared: no library of mathematics is needed */
}

/* Class 0 differs from the secret in its first byte, class 1 in its last. */
static double t2_of(compare eq)
{
    static struct class c[2];
    static volatile int sink;
    uint8_t secret[PHI_TOKEN_LEN], guess[2][PHI_TOKEN_LEN], coin[2 * PAIRS];
    c[0].n = c[1].n = 0;
    phi_random(secret, sizeof secret);
    memcpy(guess[0], secret, sizeof secret);
    memcpy(guess[1], secret, sizeof secret);
    guess[0][0] ^= 1;
    guess[1][sizeof secret - 1] ^= 1;
    phi_random(coin, sizeof coin);
    for (size_t i = 0; i < 2 * PAIRS; i++) {
        struct class *to = &c[coin[i] & 1];
        uint8_t tried[PHI_TOKEN_LEN]; /* the same memory for both */
        memcpy(tried, guess[coin[i] & 1], sizeof tried);
        double from = now_ns();
        for (int k = 0; k < REPEAT; k++)
            sink += eq(phi_view_mem(tried, sizeof tried), phi_view_mem(secret, sizeof secret));
        double took = now_ns() - from;
        if (to->n < PAIRS)
            to->sample[to->n++] = took;
    }
    assert_int_equal(sink, 0);
    return welch(&c[0], &c[1]);
}

static double best_of(compare eq, double enough)
{
    double best = 1e300;
    for (int i = 0; i < TRIES && best >= enough; i++) {
        double t2 = t2_of(eq);
        if (t2 < best)
            best = t2;
    }
    return best;
}

static void attack_50_comparing_tokens_takes_as_long_wherever_they_differ(void **unused)
{
    (void)unused;
    double leaky = best_of(naive, 0), ours = best_of(phi_secret_eq, 4.5 * 4.5);
    printf("t squared of a comparison that stops early: %.0f; of phi_secret_eq: %.1f\n", leaky, ours);
    if (leaky < 10 * 10)
        skip(); /* this machine's clock or load shows no difference at all: then the test says nothing */
    assert_true(ours < 4.5 * 4.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attack_50_comparing_tokens_takes_as_long_wherever_they_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
