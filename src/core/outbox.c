/* Messages that are kept until they were sent: waiting -> (leased) -> sent | dead, or held for a digest. */
#include "core/outbox.h"

#include "core/known.h"
#include "core/outbox_in.h"
#include "core/page_in.h"

#define DIGEST_MAX 20 /* requests that a digest names */
#define FAILS_BEFORE_PAUSE 3
#define PAUSE_MAX_MS 60000
#define IDLE_MS 5000 /* how often phid looks anyway */
#define TAKE_MAX 32
#define ERROR_MAX 300

/* ---- counting */

static enum phi_rc count(struct phi_core *c, struct phi_arena *a, struct phi_view channel, int64_t waiting, int64_t dead,
                         struct phi_err *err)
{
    struct core_channel_state_row st;
    core_channel_state(c, a, channel, &st);
    st.waiting = st.waiting + waiting > 0 ? st.waiting + waiting : 0;
    st.dead = st.dead + dead > 0 ? st.dead + dead : 0;
    return core_channel_state_put(c, &st, err);
}

static bool waits(int64_t status)
{
    return status == PHI_MESSAGE_WAITING || status == PHI_MESSAGE_HELD;
}

/* The only place where a message's status changes. */
static enum phi_rc put_back(struct phi_core *c, struct phi_arena *a, struct core_message_row *row,
                            enum phi_message_status to, struct phi_err *err)
{
    int64_t waiting = (int64_t)waits(to) - (int64_t)waits(row->status);
    int64_t dead = (int64_t)(to == PHI_MESSAGE_DEAD) - (int64_t)(row->status == PHI_MESSAGE_DEAD);
    row->status = to;
    if (waiting || dead)
        PHI_TRY(count(c, a, row->channel, waiting, dead, err));
    return core_set(c, CORE_MESSAGE, row, err);
}

enum phi_rc core_message_del(struct phi_core *c, struct phi_arena *a, const struct core_message_row *row, struct phi_err *err)
{
    PHI_TRY(count(c, a, row->channel, -(int64_t)waits(row->status), -(int64_t)(row->status == PHI_MESSAGE_DEAD), err));
    return core_del(c, CORE_MESSAGE, row, err);
}

enum phi_rc core_messages_forget(struct phi_core *c, struct phi_view channel, struct phi_view person, struct phi_err *err)
{
    struct core_message_row *rows, key = { .channel = channel, .person = person };
    int ix = channel.n ? CORE_MESSAGE_BY_CHANNEL : CORE_MESSAGE_BY_PERSON;
    size_t n = 1;
    while (n) {
        PHI_ARENA(a, (size_t)16 << 20);
        PHI_TRY(core_list(c, CORE_MESSAGE, ix, &key, (struct core_span){ .prefix = 1, .limit = 500 }, &a, &rows, &n, err));
        for (size_t i = 0; i < n; i++)
            PHI_TRY(core_message_del(c, &a, &rows[i], err));
    }
    return PHI_OK;
}

/* ---- making */

/* One more prompt to this person: how many in this window, and when the window ends. */
static enum phi_rc prompted(struct phi_core *c, struct phi_arena *a, const struct core_news *n, int64_t *ret_n,
                            int64_t *ret_end, struct phi_err *err)
{
    struct core_prompts_row row, key = { .channel = n->channel->name, .person = n->person };
    int64_t now = core_wall(c);
    bool known = core_get(c, CORE_PROMPTS, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
    if (!known)
        row = key;
    if (now - row.from_ms >= PHI_PROMPTS_MS || now < row.from_ms) {
        row.from_ms = now;
        row.n = 0;
    }
    row.n++;
    *ret_n = row.n;
    *ret_end = row.from_ms + PHI_PROMPTS_MS;
    return known ? core_set(c, CORE_PROMPTS, &row, err) : core_add(c, CORE_PROMPTS, &row, err);
}

enum phi_rc core_message_of(struct phi_core *c, struct phi_arena *a, const struct core_news *n,
                            struct core_message_row *ret, struct phi_err *err)
{
    struct core_message_row *rows, key = { .request = n->request, .channel = n->channel->name, .person = n->person };
    size_t k;
    PHI_TRY(core_list(c, CORE_MESSAGE, CORE_MESSAGE_BY_REQUEST, &key, (struct core_span){ .prefix = 3, .limit = 1 }, a, &rows,
                      &k, err));
    if (k == 0)
        return PHI_ENOTFOUND;
    *ret = rows[0];
    return PHI_OK;
}

static enum phi_rc add(struct phi_core *c, struct phi_arena *a, const struct core_news *n, enum phi_message_status status,
                       int64_t at_ms, struct phi_err *err)
{
    struct core_channel_state_row st;
    core_channel_state(c, a, n->channel->name, &st);
    if (st.waiting >= PHI_MAX_OUTBOX) {
        st.dropped++;
        return core_channel_state_put(c, &st, err);
    }
    struct core_message_row row = { .id = core_new_id(c, a),
                                    .channel = n->channel->name,
                                    .status = status,
                                    .at_ms = at_ms,
                                    .request = n->request,
                                    .person = n->person,
                                    .what = n->what,
                                    .version = n->version,
                                    .want = 1,
                                    .created_ms = core_wall(c),
                                    .note = n->note };
    st.waiting++;
    PHI_TRY(core_channel_state_put(c, &st, err));
    return core_add(c, CORE_MESSAGE, &row, err);
}

/* The digest that this person gets when the window ends, if it does not wait already. */
static enum phi_rc digest_due(struct phi_core *c, struct phi_arena *a, const struct core_news *n, int64_t at_ms,
                              struct phi_err *err)
{
    struct core_news d = { .channel = n->channel, .person = n->person, .what = PHI_LIT("digest") };
    struct core_message_row *rows, key = { .person = n->person, .channel = n->channel->name, .status = PHI_MESSAGE_WAITING };
    size_t k;
    PHI_TRY(core_list(c, CORE_MESSAGE, CORE_MESSAGE_BY_PERSON, &key, (struct core_span){ .prefix = 3 }, a, &rows, &k, err));
    for (size_t i = 0; i < k; i++)
        if (phi_view_is(rows[i].what, "digest") && !rows[i].leased)
            return PHI_OK;
    return add(c, a, &d, PHI_MESSAGE_WAITING, at_ms, err);
}

int64_t core_message_when(struct phi_core *c, struct phi_view person, bool loud)
{
    int64_t now = core_wall(c), until = loud || person.n == 0 ? 0 : core_quiet_until(c, person);
    return until > now ? until : now;
}

enum phi_rc core_message_new(struct phi_core *c, struct phi_arena *a, const struct core_news *n, struct phi_err *err)
{
    int64_t count = 0, end = 0, when = core_message_when(c, n->person, n->loud);
    if (n->prompt && !n->loud)
        PHI_TRY(prompted(c, a, n, &count, &end, err));
    if (count <= PHI_PROMPTS_MAX)
        return add(c, a, n, PHI_MESSAGE_WAITING, when, err);
    end = end > when ? end : when;
    PHI_TRY(add(c, a, n, PHI_MESSAGE_HELD, end, err));
    return digest_due(c, a, n, end, err);
}

enum phi_rc core_message_change(struct phi_core *c, struct phi_arena *a, struct core_message_row *row,
                                struct phi_view what, int64_t at_ms, struct phi_err *err)
{
    row->what = what;
    row->want++;
    if (row->status != PHI_MESSAGE_SENT)
        return core_set(c, CORE_MESSAGE, row, err);
    row->tries = 0;
    row->at_ms = at_ms;
    return put_back(c, a, row, PHI_MESSAGE_WAITING, err);
}

/* ---- taking */

struct taking {
    struct phi_core *c;
    struct phi_arena *a;
    struct phi_message *out;
    size_t n;
    int64_t now, next_ms;
};

static void sooner(struct taking *t, int64_t at_ms)
{
    int64_t in = at_ms > t->now ? at_ms - t->now : 0;
    if (in < t->next_ms)
        t->next_ms = in;
}

static enum phi_rc request_of(struct taking *t, struct phi_view id, struct phi_view person, struct phi_request *ret,
                              struct phi_err *err)
{
    struct core_request_row row;
    struct phi_actor by = { .kind = person.n ? PHI_ACTOR_PERSON : PHI_ACTOR_SYSTEM, .id = person };
    PHI_TRY(core_request_load(t->c, t->a, id, &row, err));
    return core_request_view(t->c, t->a, &by, &row, ret, err);
}

static enum phi_rc digest_of(struct taking *t, const struct core_message_row *row, struct phi_message *m,
                             struct phi_err *err)
{
    struct core_message_row *held, key = { .person = row->person, .channel = row->channel, .status = PHI_MESSAGE_HELD };
    struct phi_request *r = phi_arena_array(t->a, DIGEST_MAX, sizeof *r);
    size_t n;
    if (!r)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_list(t->c, CORE_MESSAGE, CORE_MESSAGE_BY_PERSON, &key, (struct core_span){ .prefix = 3 }, t->a, &held, &n,
                      err));
    for (size_t i = 0; i < n; i++) {
        if (m->n_digest == DIGEST_MAX) {
            m->n_more = (int64_t)(n - i);
            break;
        }
        if (request_of(t, held[i].request, row->person, &r[m->n_digest], NULL) == PHI_OK)
            m->n_digest++;
    }
    m->digest = r;
    return PHI_OK;
}

static enum phi_rc give_up(struct phi_core *c, struct phi_arena *a, struct core_message_row *row, struct phi_view error,
                           struct phi_err *err)
{
    struct core_message_row *old, key = { .channel = row->channel, .status = PHI_MESSAGE_DEAD };
    struct core_channel_state_row st;
    size_t n;
    row->leased = 0;
    row->error = phi_view_upto(error, ERROR_MAX);
    PHI_TRY(put_back(c, a, row, PHI_MESSAGE_DEAD, err));
    core_channel_state(c, a, row->channel, &st);
    if (st.dead <= PHI_MAX_DEAD)
        return PHI_OK;
    PHI_TRY(core_list(c, CORE_MESSAGE, CORE_MESSAGE_BY_CHANNEL, &key, (struct core_span){ .prefix = 2, .limit = 1 }, a, &old,
                      &n, err));
    return n ? core_message_del(c, a, &old[0], err) : PHI_OK;
}

/* Under a new lease; as long as it lasts nobody else takes it, and then whoever comes first. */
static enum phi_rc lease(struct taking *t, const struct core_channel_row *ch, struct core_message_row *row,
                         struct phi_err *err)
{
    struct phi_message *m = &t->out[t->n];
    *m = (struct phi_message){ .id = row->id,
                               .lease = ++row->lease,
                               .content = row->want,
                               .channel = ch->name,
                               .kind = ch->kind,
                               .settings = ch->settings,
                               .what = row->what,
                               .person = row->person,
                               .ref = row->ref,
                               .note = row->note,
                               .tries = row->tries,
                               .created_ms = row->created_ms };
    row->leased = row->want;
    row->at_ms = t->now + PHI_OUTBOX_LEASE_MS;
    if (row->person.n) {
        m->name = core_person_name(t->c, t->a, row->person);
        m->address = core_contact_of(t->c, t->a, row->person, ch->kind);
        if (m->address.n == 0)
            return give_up(t->c, t->a, row, PHI_LIT("this person has no such contact any more"), err);
    }
    if (phi_view_is(ch->kind, CORE_CALLBACK)) {
        struct phi_view rest = row->note, task;
        phi_view_split(&rest, ' ', &task);
        m->state = core_callback_state_of(t->c, t->a, task);
    }
    struct phi_request *r = row->request.n ? phi_arena_new(t->a, struct phi_request) : NULL;
    if (r && request_of(t, row->request, row->person, r, NULL) != PHI_OK)
        return give_up(t->c, t->a, row, PHI_LIT("the request can no longer be read"), err);
    m->request = r;
    if (phi_view_is(row->what, "digest"))
        PHI_TRY(digest_of(t, row, m, err));
    t->n++;
    return core_set(t->c, CORE_MESSAGE, row, err);
}

static enum phi_rc take_channel(struct taking *t, const struct core_channel_row *ch, size_t room, struct phi_err *err)
{
    struct core_channel_state_row st;
    struct core_message_row *rows, key = { .channel = ch->name, .status = PHI_MESSAGE_WAITING };
    size_t n;
    core_channel_state(t->c, t->a, ch->name, &st);
    if (!ch->live || st.waiting == 0 || room == 0)
        return PHI_OK;
    if (st.pause_ms > t->now && st.pause_ms <= t->now + PAUSE_MAX_MS) {
        sooner(t, st.pause_ms);
        return PHI_OK;
    }
    if (st.fails >= FAILS_BEFORE_PAUSE)
        room = 1;
    PHI_TRY(core_list(t->c, CORE_MESSAGE, CORE_MESSAGE_BY_CHANNEL, &key,
                      (struct core_span){ .prefix = 2, .limit = (int64_t)room + 1 }, t->a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (rows[i].at_ms > t->now || i == room || t->n == TAKE_MAX) {
            sooner(t, rows[i].at_ms);
            break;
        }
        if (t->now - rows[i].created_ms > PHI_OUTBOX_AGE_MS)
            PHI_TRY(give_up(t->c, t->a, &rows[i], PHI_LIT("it waited for too long"), err));
        else
            PHI_TRY(lease(t, ch, &rows[i], err));
    }
    return PHI_OK;
}

/* A store that one phid has for itself: what was on its way when the last one ended is on nobody's way now. */
static enum phi_rc release(struct taking *t, const struct core_channel_row *ch, struct phi_err *err)
{
    struct core_message_row *rows, key = { .channel = ch->name, .status = PHI_MESSAGE_WAITING, .at_ms = t->now };
    size_t n;
    PHI_TRY(core_list(t->c, CORE_MESSAGE, CORE_MESSAGE_BY_CHANNEL, &key, (struct core_span){ .prefix = 2, .at_least = true },
                      t->a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].leased)
            continue;
        rows[i].leased = 0;
        rows[i].at_ms = t->now;
        PHI_TRY(core_set(t->c, CORE_MESSAGE, &rows[i], err));
    }
    return PHI_OK;
}

enum phi_rc phi_outbox_take(struct phi_core *c, struct phi_arena *a, const struct phi_outbox_room *room,
                            struct phi_message **ret, size_t *ret_n, int64_t *ret_next_ms, struct phi_err *err)
{
    struct core_channel_row *ch;
    size_t n;
    PHI_TRY(core_batched(c, err));
    struct taking t = { .c = c, .a = a, .now = core_wall(c), .next_ms = IDLE_MS };
    t.out = phi_arena_array(a, TAKE_MAX, sizeof *t.out);
    if (!t.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_channels_sound(c, a, &ch, &n, err));
    for (size_t i = 0; i < n && !c->outbox_begun && !c->store->ops->lease; i++)
        PHI_TRY(release(&t, &ch[i], err));
    c->outbox_begun = true;
    for (size_t i = 0; i < n; i++)
        PHI_TRY(take_channel(&t, &ch[i], room->room(room->self, ch[i].name), err));
    *ret = t.out;
    *ret_n = t.n;
    *ret_next_ms = n ? t.next_ms : -1;
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the messages are too large");
}

/* ---- what became of it */

/* Later and later, and never all at once. */
static int64_t back_off(struct phi_core *c, struct phi_arena *a, int64_t tries, int64_t after_ms)
{
    static const int64_t steps[PHI_OUTBOX_TRIES] = { 5000,    30000,   120000,   600000,  1800000,
                                                     3600000, 7200000, 14400000, 28800000 };
    struct phi_view r = core_random(c, a, 2);
    int64_t base = steps[tries < PHI_OUTBOX_TRIES ? tries : PHI_OUTBOX_TRIES - 1];
    int64_t ms = base / 2 + (r.n ? base * (r.p[0] << 8 | r.p[1]) / 65536 : 0);
    return ms > after_ms ? ms : after_ms;
}

static enum phi_rc fared(struct phi_core *c, struct phi_arena *a, struct phi_view channel, bool ok, struct phi_view error,
                         struct phi_err *err)
{
    struct core_channel_state_row st;
    core_channel_state(c, a, channel, &st);
    st.error = ok ? (struct phi_view){ 0 } : phi_view_upto(error, ERROR_MAX);
    st.fails = ok ? 0 : st.fails + 1;
    st.pause_ms = 0;
    if (ok)
        st.ok_ms = core_wall(c);
    if (st.fails >= FAILS_BEFORE_PAUSE) {
        int64_t ms = st.fails - FAILS_BEFORE_PAUSE < 6 ? 1000LL << (st.fails - FAILS_BEFORE_PAUSE) : PAUSE_MAX_MS;
        st.pause_ms = core_wall(c) + ms;
    }
    return core_channel_state_put(c, &st, err);
}

/* What a digest said was said: those messages stand alone no more. */
static enum phi_rc held_are_sent(struct phi_core *c, struct phi_arena *a, const struct core_message_row *row,
                                 struct phi_err *err)
{
    struct core_message_row *held, key = { .person = row->person, .channel = row->channel, .status = PHI_MESSAGE_HELD };
    int64_t until = row->at_ms - PHI_OUTBOX_LEASE_MS;
    size_t n;
    PHI_TRY(core_list(c, CORE_MESSAGE, CORE_MESSAGE_BY_PERSON, &key, (struct core_span){ .prefix = 3 }, a, &held, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (held[i].created_ms > until)
            continue;
        held[i].sent = held[i].want;
        PHI_TRY(put_back(c, a, &held[i], PHI_MESSAGE_SENT, err));
    }
    return PHI_OK;
}

static enum phi_rc sent(struct phi_core *c, struct phi_arena *a, struct core_message_row *row, const struct phi_sent *s,
                        struct phi_err *err)
{
    struct core_request_row request;
    struct core_channel_row ch = { 0 }, ch_key = { .name = row->channel };
    PHI_TRY(fared(c, a, row->channel, true, (struct phi_view){ 0 }, err));
    if (phi_view_is(row->what, "digest"))
        PHI_TRY(held_are_sent(c, a, row, err));
    row->sent = s->content;
    row->leased = row->tries = 0;
    row->error = (struct phi_view){ 0 };
    if (s->ref.n)
        row->ref = s->ref;
    if (row->want > row->sent) {
        row->at_ms = core_wall(c);
        return core_set(c, CORE_MESSAGE, row, err);
    }
    struct core_request_row key = { .id = row->request };
    PHI_TRY(core_get(c, CORE_CHANNEL, CORE_BY_KEY, &ch_key, a, &ch, err));
    bool may_change = row->request.n && core_channel_has_people(ch.kind) &&
                      core_get(c, CORE_REQUEST, CORE_BY_KEY, &key, a, &request, NULL) == PHI_OK && request.live;
    return may_change ? put_back(c, a, row, PHI_MESSAGE_SENT, err) : core_message_del(c, a, row, err);
}

static enum phi_rc failed(struct phi_core *c, struct phi_arena *a, struct core_message_row *row, const struct phi_sent *s,
                          struct phi_err *err)
{
    struct core_channel_row ch, key = { .name = row->channel };
    struct phi_view error = phi_view_upto(s->error, ERROR_MAX);
    PHI_TRY(fared(c, a, row->channel, false, error, err));
    if (s->how == PHI_SENT_GONE && core_get(c, CORE_CHANNEL, CORE_BY_KEY, &key, a, &ch, NULL) == PHI_OK)
        PHI_TRY(core_channel_off(c, a, &ch, "gone", error, err));
    if (s->how != PHI_SENT_LATER || ++row->tries >= PHI_OUTBOX_TRIES)
        return give_up(c, a, row, error, err);
    row->leased = 0;
    row->error = error;
    row->at_ms = core_wall(c) + back_off(c, a, row->tries - 1, s->after_ms);
    return core_set(c, CORE_MESSAGE, row, err);
}

enum phi_rc phi_outbox_report(struct phi_core *c, struct phi_arena *a, const struct phi_sent *s, struct phi_err *err)
{
    struct core_message_row row, key = { .id = s->id };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_MESSAGE, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return core_no(c, "message.unknown", err, PHI_ENOTFOUND, "there is no such message any more");
    if (row.lease != s->lease || row.leased != s->content || row.status != PHI_MESSAGE_WAITING)
        return core_no(c, "message.lease", err, PHI_ECONFLICT, "another has taken this message since");
    return s->how == PHI_SENT_OK ? sent(c, a, &row, s, err) : failed(c, a, &row, s, err);
}

/* ---- people */

static bool is_for(struct phi_core *c, const struct phi_actor *by, const struct core_message_row *row)
{
    return core_has(c, by, PHI_RIGHT_OPERATE) ||
           (by->kind == PHI_ACTOR_PERSON && row->person.n && core_same_person(c, by->id, row->person));
}

static void letter_out(struct phi_core *c, struct phi_arena *a, const struct core_channel_row *ch,
                       const struct core_message_row *row, struct phi_letter *ret)
{
    struct core_request_row r = { 0 }, key = { .id = row->request };
    if (row->request.n && core_get(c, CORE_REQUEST, CORE_BY_KEY, &key, a, &r, NULL) != PHI_OK)
        r = key;
    *ret = (struct phi_letter){ .id = row->id,
                                .channel = row->channel,
                                .kind = ch->kind,
                                .what = row->what,
                                .request = row->request,
                                .code = r.code,
                                .name = row->person.n ? core_person_name(c, a, row->person) : (struct phi_view){ 0 },
                                .error = row->error,
                                .status = (enum phi_message_status)row->status,
                                .tries = row->tries,
                                .created_ms = row->created_ms,
                                .due_ms = row->status == PHI_MESSAGE_WAITING && row->at_ms > core_wall(c)
                                              ? row->at_ms - core_wall(c)
                                              : 0 };
}

struct listing {
    struct phi_core *c;
    struct phi_arena *a;
    const struct phi_actor *by;
    enum phi_message_status status;
    struct core_channel_row *ch;
    size_t n_ch;
    struct phi_letter *out;
    size_t n;
};

static enum phi_rc listing_take(void *ctx, const void *row, bool *ret_taken, struct phi_err *err)
{
    struct listing *l = ctx;
    const struct core_message_row *m = row;
    (void)err;
    *ret_taken = false;
    for (size_t i = 0; i < l->n_ch && m->status == l->status; i++)
        if (phi_view_eq(l->ch[i].name, m->channel) && is_for(l->c, l->by, m)) {
            letter_out(l->c, l->a, &l->ch[i], m, &l->out[l->n++]);
            *ret_taken = true;
        }
    return PHI_OK;
}

enum phi_rc phi_outbox_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_message_status status,
                            struct phi_page *page, struct phi_letter **ret, size_t *ret_n, struct phi_err *err)
{
    struct listing l = { .c = c, .a = a, .by = by, .status = status, .out = phi_arena_array(a, PHI_PAGE_MAX + 1, sizeof **ret) };
    struct core_walk w = { .table = CORE_MESSAGE, .ix = CORE_BY_KEY, .n_parts = 1, .take = listing_take, .ctx = &l };
    PHI_TRY(core_batched(c, err));
    if (!l.out)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(core_channels(c, a, &l.ch, &l.n_ch, err));
    PHI_TRY(core_page_walk(c, a, &w, page, err));
    *ret = l.out;
    *ret_n = l.n;
    return PHI_OK;
}

enum phi_rc phi_outbox_resend(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                              struct phi_err *err)
{
    struct core_message_row row, key = { .id = id };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_MESSAGE, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK || !is_for(c, by, &row))
        return core_no(c, "message.unknown", err, PHI_ENOTFOUND, "there is no such message");
    if (row.leased || (row.status != PHI_MESSAGE_DEAD && row.status != PHI_MESSAGE_WAITING))
        return core_no(c, "message.sent", err, PHI_ECONFLICT, "this message is being sent, or was");
    row.tries = 0;
    row.at_ms = row.created_ms = core_wall(c);
    core_outbox_wake(c);
    return put_back(c, a, &row, PHI_MESSAGE_WAITING, err);
}

static enum phi_rc live_channel(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct core_channel_row *ret,
                                struct phi_err *err)
{
    struct core_channel_row key = { .name = name };
    if (core_get(c, CORE_CHANNEL, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        return core_no(c, "channel.unknown", err, PHI_ENOTFOUND, "there is no such channel");
    PHI_TRY(core_row_check(c, CORE_CHANNEL, ret, ret->leaf, ret->leaf_hash, err));
    if (!ret->live)
        return core_no(c, "channel.off", err, PHI_ECONFLICT, "this channel is off: " PHI_FMT, PHI_ARG(ret->why_off));
    core_outbox_wake(c);
    return PHI_OK;
}

enum phi_rc phi_outbox_test(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view channel,
                            struct phi_err *err)
{
    struct core_channel_row ch;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    PHI_TRY(live_channel(c, a, channel, &ch, err));
    if (phi_view_is(ch.kind, CORE_CALLBACK))
        return core_no(c, "channel.callback", err, PHI_ECONFLICT, "a channel of kind callback speaks of access requests over ARAP and of nothing else");
    struct core_news n = { .channel = &ch, .what = PHI_LIT("test"), .loud = true };
    if (core_channel_has_people(ch.kind) && by->kind == PHI_ACTOR_PERSON) {
        n.person = core_root(c, a, by->id);
        if (core_contact_of(c, a, n.person, ch.kind).n == 0)
            return core_no(c, "contact.unknown", err, PHI_ECONFLICT, "you have no contact of kind " PHI_FMT "; set one first",
                           PHI_ARG(ch.kind));
    }
    return core_message_new(c, a, &n, err);
}

enum phi_rc phi_outbox_answer(struct phi_core *c, struct phi_arena *a, struct phi_view channel, struct phi_view person,
                              struct phi_view note, struct phi_err *err)
{
    struct core_channel_row ch;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(live_channel(c, a, channel, &ch, err));
    struct core_news n = { .channel = &ch, .person = core_root(c, a, person), .what = PHI_LIT("answer"),
                           .note = phi_view_upto(note, ERROR_MAX), .loud = true };
    return core_message_new(c, a, &n, err);
}
