/* The audit log, read-only. */
#include "api/handlers.h"
#include "core/log.h"

#define MAX_INDEX ((int64_t)1 << 53)

static enum phi_rc text_answer(struct api_call *c, struct phi_view text)
{
    c->status = 200;
    c->type = "text/plain; charset=utf-8";
    phi_buf_add(&c->out, text);
    return PHI_OK;
}

enum phi_rc api_log_checkpoint(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head h;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &h, err));
    if (!h.checkpoint.n)
        return phi_fail(err, PHI_ENOTFOUND, "nothing is signed yet");
    return text_answer(c, h.checkpoint);
}

enum phi_rc api_log_key(struct api_call *c, struct phi_err *err)
{
    (void)err;
    return text_answer(c, c->env->log_key);
}

static void hashes_write(struct phi_jw *w, const struct phi_digest *h, size_t n)
{
    phi_jw_key(w, "hashes");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_hex(w, phi_digest_view(&h[i]));
    phi_jw_end(w);
}

/* Both sizes default to what is signed, so that an answer speaks of a tree somebody can check. */
enum phi_rc api_log_consistency(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_digest *h;
    size_t n;
    int64_t from, to;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &head, err));
    PHI_TRY(api_query_int(c, "from", 0, MAX_INDEX, 0, &from, err));
    PHI_TRY(api_query_int(c, "to", 0, MAX_INDEX, head.checkpoint_size, &to, err));
    PHI_TRY(phi_log_consistency(c->core, &c->arena, from, to, &h, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "from", from);
    phi_jw_ki(w, "to", to);
    hashes_write(w, h, n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_log_proof(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_digest leaf, *h;
    size_t n;
    int64_t index, size;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &head, err));
    PHI_TRY(api_query_int(c, "index", 0, MAX_INDEX, -1, &index, err));
    PHI_TRY(api_query_int(c, "size", 1, MAX_INDEX, head.checkpoint_size, &size, err));
    if (index < 0)
        return phi_fail(err, PHI_EINPUT, "\"index\" is missing");
    PHI_TRY(phi_log_inclusion(c->core, &c->arena, index, size, &leaf, &h, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "index", index);
    phi_jw_ki(w, "size", size);
    phi_jw_key(w, "leaf_hash");
    phi_jw_hex(w, phi_digest_view(&leaf));
    hashes_write(w, h, n);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_log_entries(struct api_call *c, struct phi_err *err)
{
    struct phi_log_head head;
    struct phi_view *e;
    size_t n;
    int64_t from, limit;
    PHI_TRY(phi_log_get_head(c->core, &c->arena, &head, err));
    PHI_TRY(api_query_int(c, "from", 0, MAX_INDEX, 0, &from, err));
    PHI_TRY(api_query_int(c, "limit", 1, 1000, 1000, &limit, err));
    PHI_TRY(phi_log_entries(c->core, &c->arena, from, limit, &e, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_ki(w, "size", head.size);
    phi_jw_key(w, "entries");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_str(w, e[i]);
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}
