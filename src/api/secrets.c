#include "api/secrets.h"

#include "base/hash.h"
#include "base/os.h"

static const char *file_of(const struct api_secrets *s, struct phi_view name)
{
    for (size_t i = 0; i < s->n; i++)
        if (phi_view_is(name, s->at[i].name))
            return s->at[i].file;
    return NULL;
}

bool api_secret_known(const struct api_secrets *s, struct phi_view name)
{
    return file_of(s, name) != NULL;
}

enum phi_rc api_secret_get(const struct api_secrets *s, struct phi_view name, struct phi_buf *ret, struct phi_err *err)
{
    PHI_BUF(text, API_SECRET_LEN + 1);
    const char *file = file_of(s, name);
    if (!file)
        return phi_fail(err, PHI_EINPUT, "phid.yaml's notify has no secret \"" PHI_FMT "\"", PHI_ARG(phi_view_upto(name, 64)));
    PHI_TRY(phi_file_read_secret(file, API_SECRET_LEN, &text, err));
    struct phi_view v = phi_view_trim(phi_buf_view(&text));
    bool lines = false; /* one that could begin another header */
    for (size_t i = 0; i < v.n; i++)
        lines |= v.p[i] < 0x20 || v.p[i] == 0x7f;
    if (v.n && !lines)
        phi_buf_add(ret, v);
    phi_buf_wipe(&text);
    if (v.n == 0 || lines)
        return phi_fail(err, PHI_EINPUT, "the secret \"" PHI_FMT "\" must be one line", PHI_ARG(phi_view_upto(name, 64)));
    return phi_buf_ok(ret) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}
