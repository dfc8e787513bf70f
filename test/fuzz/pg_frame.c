/* Bytes as a PostgreSQL client or server may send them. The first byte chooses: a hello, or a stream of typed messages.
 * What reads well must be consistent, and every cut of a whole frame must wait for more. */
#include "wire/pg.h"
#include "wire/scram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool inside(struct phi_view part, struct phi_view whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void hello(struct phi_view in)
{
    struct phi_view all = in, name, value, params;
    struct pg_hello h;
    enum phi_frame f = pg_hello_read(&in, &h);
    if (f != PHI_FRAME_READY)
        return;
    size_t used = all.n - in.n;
    check(used >= 8 && used <= PG_MAX_STARTUP);
    struct phi_view cut = phi_view_upto(all, used - 1);
    struct pg_hello again;
    check(pg_hello_read(&cut, &again) == PHI_FRAME_MORE);
    for (params = h.params; pg_param_next(&params, &name, &value);)
        check(name.n > 0 && inside(name, all) && inside(value, all));
}

static void bind(struct phi_view body)
{
    struct pg_bind b;
    struct phi_view value;
    bool null;
    if (!pg_bind_read(body, &b))
        return;
    size_t n = 0;
    for (struct phi_view rest = b.params; pg_value_next(&rest, &null, &value); n++)
        check(inside(value, body) && (!null || value.n == 0));
    check(n == b.n_params && inside(b.portal, body) && inside(b.stmt, body));
}

static void message(uint8_t type, struct phi_view body)
{
    struct pg_parse p;
    struct pg_execute e;
    struct pg_object o;
    struct phi_view a, b;
    uint8_t code;
    switch (type) {
    case 'Q': check(!pg_query_read(body, &a) || a.n == body.n - 1); break;
    case 'P':
        check(!pg_parse_read(body, &p) || p.name.n + p.sql.n + p.types.n + 4 == body.n);
        break;
    case 'B': bind(body); break;
    case 'E': check(!pg_execute_read(body, &e) || e.portal.n + 5 == body.n); break;
    case 'D': check(!pg_object_read(body, &o) || o.name.n + 2 == body.n); break;
    case 'S': check(!pg_status_read(body, &a, &b) || a.n + b.n + 2 == body.n); break;
    default:
        for (a = body; pg_field_next(&a, &code, &b);)
            check(inside(b, body));
    }
}

static void stream(struct phi_view in)
{
    for (;;) {
        struct phi_view all = in, body;
        uint8_t type = 0;
        if (pg_frame(&in, 1 << 20, &type, &body) != PHI_FRAME_READY)
            return;
        struct phi_view cut = phi_view_upto(all, all.n - in.n - 1), ignored;
        uint8_t t;
        check(pg_frame(&cut, 1 << 20, &t, &ignored) == PHI_FRAME_MORE);
        message(type, body);
    }
}

static void scram(struct phi_view in)
{
    static const uint8_t random[SCRAM_NONCE_RAW] = { 1 };
    struct scram_verifier v;
    struct scram_server s;
    struct phi_view first = in, rest;
    PHI_BUF(out, 8192);
    (void)scram_verifier_read(in, &v);
    scram_verifier_mock(PHI_LIT("u"), PHI_LIT("s"), &v);
    scram_server_init(&s, &v);
    rest = in;
    if (phi_view_split(&rest, 0, &first) &&
        scram_server_first(&s, first, random, &out, NULL) == PHI_OK)
        check(scram_server_final(&s, rest, &out, NULL) != PHI_OK); /* nobody knows this password */
    scram_server_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phi_view in = { data + 1, size - 1 };
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        hello(in);
    else if (data[0] % 3 == 1)
        stream(in);
    else
        scram(in);
    return 0;
}
