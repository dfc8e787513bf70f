#include "core/witness.h"

#include <string.h>

#include "core/inner.h"
#include "core/log.h"

#define WITNESSES_MAX PHI_COSIGNERS_MAX
#define URL_MAX       400

static enum phi_rc rows(struct phi_core *c, struct phi_arena *a, struct core_witness_row **ret, size_t *ret_n, struct phi_err *err)
{
    return core_list(c, CORE_WITNESS, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, ret, ret_n, err);
}

/* ---- who they are */

static enum phi_rc leaf(struct phi_core *c, enum phi_ev ev, const struct phi_actor *by, const struct core_witness_row *w,
                        const char *cause, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, ev, by);
    phi_entry_str(&e, PHI_F_KEY, w->line);
    if (ev == PHI_EV_WITNESS_SET)
        phi_entry_str(&e, PHI_F_ADDRESS, w->url);
    if (cause) {
        phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
        phi_entry_int(&e, PHI_F_PREV_SIZE, w->size);
    }
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_witness_set(struct phi_core *c, const struct phi_actor *by, struct phi_view line, struct phi_view url,
                            struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_witness_row *all, old, row = { .line = phi_view_trim(line), .url = url };
    struct phi_cosigner key;
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(phi_cosigner_read(row.line, &key, err));
    bool place = phi_view_starts(url, PHI_LIT("https://")) || phi_view_starts(url, PHI_LIT("http://"));
    if (!place || url.n > URL_MAX || url.p[url.n - 1] == '/' || key.name.n > 200)
        return phi_fail(err, PHI_EINPUT, "a witness's address is https://… without a '/' at its end, at most %d bytes", URL_MAX);
    row.name = key.name;
    PHI_TRY(rows(c, &a, &all, &n, err));
    bool there = core_get(c, CORE_WITNESS, CORE_BY_KEY, &row, &a, &old, NULL) == PHI_OK;
    if (!there && n == WITNESSES_MAX)
        return phi_fail(err, PHI_ELIMIT, "at most %d witnesses", WITNESSES_MAX);
    if (there && phi_view_eq(old.line, row.line))
        row.size = old.size;
    PHI_TRY(leaf(c, PHI_EV_WITNESS_SET, by, &row, NULL, err));
    return there ? core_set(c, CORE_WITNESS, &row, err) : core_add(c, CORE_WITNESS, &row, err);
}

enum phi_rc phi_witness_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_witness_row *all, row, key = { .name = name };
    size_t n;
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_WITNESS, CORE_BY_KEY, &key, &a, &row, NULL) != PHI_OK)
        return phi_fail(err, PHI_ENOTFOUND, "there is no such witness");
    PHI_TRY(rows(c, &a, &all, &n, err));
    if (c->st.witness_need > (int64_t)n - 1)
        return phi_fail(err, PHI_ECONFLICT, "%lld witnesses are needed; need fewer first", (long long)c->st.witness_need);
    PHI_TRY(leaf(c, PHI_EV_WITNESS_REMOVED, by, &row, NULL, err));
    return core_del(c, CORE_WITNESS, &row, err);
}

enum phi_rc phi_witness_list(struct phi_core *c, struct phi_arena *a, struct phi_witness **ret, size_t *ret_n, int64_t *ret_need,
                             struct phi_err *err)
{
    struct core_witness_row *r;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(rows(c, a, &r, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = (struct phi_witness){ r[i].name, r[i].line, r[i].url, r[i].size, r[i].at_ms, r[i].said };
    *ret_need = c->st.witness_need;
    return PHI_OK;
}

enum phi_rc phi_witness_need(struct phi_core *c, const struct phi_actor *by, int64_t need, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_witness_row *r;
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(rows(c, &a, &r, &n, err));
    if (need < 0 || need > (int64_t)n)
        return phi_fail(err, PHI_EINPUT, "there are %zu witnesses", n);
    c->st.witness_need = need;
    c->st_dirty = true;
    core_entry(c, &e, PHI_EV_WITNESS_NEED, by);
    phi_entry_int(&e, PHI_F_COUNT, need);
    return core_leaf(c, &e, NULL, NULL, err);
}

/* ---- asking */

static enum phi_rc call_make(struct phi_core *c, struct phi_arena *a, const struct core_witness_row *w, struct phi_witness_call *ret,
                             struct phi_err *err)
{
    struct phi_witness_ask ask = { .old_size = (uint64_t)w->size, .note = c->st.note };
    struct phi_digest *hashes;
    size_t n;
    PHI_BUF(body, PHI_WITNESS_BODY_MAX);
    PHI_TRY(phi_log_consistency(c, a, w->size, c->st.note_size, &hashes, &n, err));
    ask.proof.n = n;
    memcpy(ask.proof.hash, hashes, n * sizeof *hashes);
    phi_witness_ask_write(&body, &ask);
    *ret = (struct phi_witness_call){ w->name, w->url, phi_arena_copy(a, phi_buf_view(&body)) };
    return phi_buf_ok(&body) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the checkpoint is too long for a witness");
}

enum phi_rc phi_witness_plan(struct phi_core *c, struct phi_arena *a, struct phi_witness_round *ret, struct phi_err *err)
{
    struct core_witness_row *w;
    size_t n;
    *ret = (struct phi_witness_round){ .size = c->st.note_size, .note = phi_arena_copy(a, c->st.note) };
    PHI_TRY(core_batched(c, err));
    PHI_TRY(rows(c, a, &w, &n, err));
    ret->call = phi_arena_array(a, n + 1, sizeof *ret->call);
    if (!ret->call)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n && c->st.note_size; i++)
        if (w[i].size < c->st.note_size)
            PHI_TRY(call_make(c, a, &w[i], &ret->call[ret->n++], err));
    return PHI_OK;
}

/* ---- what they answered */

static const char *refusal(int status, int64_t theirs, int64_t ours)
{
    switch (status) {
    case 0: return "unreachable";
    case 404: return "unknown-log";
    case 403: return "key-unknown";
    case 409: return theirs > ours ? "has-seen-more" : "behind";
    case 422: return "not-consistent";
    }
    return "refused";
}

/* 409 carries the size that it has; what it says is only a hint of where the next proof must begin. */
static int64_t size_of(struct phi_view body)
{
    int64_t n;
    return phi_view_int(phi_view_trim(body), &n) && n >= 0 ? n : -1;
}

/* A split view: it has seen another history than this one. Somebody must look. */
static bool grave(const char *said)
{
    return strcmp(said, "not-consistent") == 0 || strcmp(said, "has-seen-more") == 0;
}

static enum phi_rc refused(struct phi_core *c, const struct phi_witness_round *round, const struct phi_witness_answer *x,
                           struct core_witness_row *w, struct phi_err *err)
{
    int64_t theirs = x->status == 409 ? size_of(x->body) : -1;
    const char *said = refusal(x->status, theirs, round->size);
    bool news = !phi_view_is(w->said, said);
    if (strcmp(said, "behind") == 0) { /* asked again from there; no news */
        w->size = theirs >= 0 ? theirs : 0;
        return core_set(c, CORE_WITNESS, w, err);
    }
    w->said = phi_view_of(said);
    if (news && grave(said))
        PHI_TRY(leaf(c, PHI_EV_WITNESS_REFUSED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM }, w, said, err));
    return news ? core_set(c, CORE_WITNESS, w, err) : PHI_OK;
}

/* Its line is added to the note where it holds. */
static enum phi_rc take(struct phi_core *c, const struct phi_witness_round *round, const struct phi_witness_answer *x,
                        struct phi_buf *note, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_witness_row w, key = { .name = x->name };
    struct phi_cosigner who;
    struct phi_view text, sigs, line;
    int64_t time_s;
    PHI_BUF(both, PHI_NOTE_MAX);
    if (core_get(c, CORE_WITNESS, CORE_BY_KEY, &key, &a, &w, NULL) != PHI_OK)
        return PHI_OK; /* removed meanwhile */
    if (x->status != 200)
        return refused(c, round, x, &w, err);
    PHI_TRY(phi_cosigner_read(w.line, &who, err));
    PHI_TRY(phi_note_cut(round->note, &text, &sigs, err));
    phi_buf_add(&both, text);
    phi_buf_addc(&both, '\n');
    phi_buf_add(&both, x->body);
    if (!phi_buf_ok(&both) || phi_cosign_find(phi_buf_view(&both), &who, &time_s, &line, NULL) != PHI_OK)
        return refused(c, round, &(struct phi_witness_answer){ x->name, 1, { 0 } }, &w, err);
    phi_buf_add(note, line);
    w.size = round->size;
    w.at_ms = core_wall(c);
    w.said = (struct phi_view){ 0 };
    return core_set(c, CORE_WITNESS, &w, err);
}

static enum phi_rc publish(struct phi_core *c, int64_t size, struct phi_view note, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_published_row old, row = { .id = c->st.gen, .size = size, .note = note };
    if (core_get(c, CORE_PUBLISHED, CORE_BY_KEY, &row, &a, &old, NULL) != PHI_OK)
        return core_add(c, CORE_PUBLISHED, &row, err);
    return old.size < size ? core_set(c, CORE_PUBLISHED, &row, err) : PHI_OK;
}

static size_t lines(struct phi_view v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n += v.p[i] == '\n';
    return n;
}

enum phi_rc phi_witness_answered(struct phi_core *c, const struct phi_witness_round *round, const struct phi_witness_answer *answers,
                                 size_t n, struct phi_err *err)
{
    PHI_BUF(note, PHI_NOTE_MAX);
    PHI_TRY(core_batched(c, err));
    phi_buf_add(&note, round->note);
    size_t before = lines(round->note);
    for (size_t i = 0; i < n; i++)
        PHI_TRY(take(c, round, &answers[i], &note, err));
    size_t cosigned = lines(phi_buf_view(&note)) - before;
    if (!phi_buf_ok(&note))
        return phi_fail(err, PHI_ELIMIT, "the cosigned head is too long");
    bool enough = cosigned > 0 && (int64_t)cosigned >= c->st.witness_need && round->size <= c->st.note_size;
    return enough ? publish(c, round->size, phi_buf_view(&note), err) : PHI_OK;
}

enum phi_rc phi_log_published(struct phi_core *c, struct phi_arena *a, struct phi_view *ret_note, int64_t *ret_size, struct phi_err *err)
{
    struct core_published_row row = { 0 }, key = { .id = c->st.gen };
    PHI_TRY(core_batched(c, err));
    bool there = core_get(c, CORE_PUBLISHED, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
    if (there && (c->st.witness_need > 0 || row.size == c->st.note_size)) {
        *ret_note = row.note;
        *ret_size = row.size;
    } else {
        bool open = c->st.witness_need == 0;
        *ret_note = open ? phi_arena_copy(a, c->st.note) : (struct phi_view){ 0 };
        *ret_size = open ? c->st.note_size : 0;
    }
    return PHI_OK;
}
