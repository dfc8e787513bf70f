#include "api/secrets.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/os.h"

bool api_secret_name_ok(struct phi_view v)
{
    if (v.n == 0 || v.n > 64 || v.p[0] == '.')
        return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (!plain && ch != '_' && ch != '.' && ch != '-')
            return false;
    }
    return true;
}

/* One line: what has more could begin another header. */
static bool one_line(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < 0x20 || v.p[i] == 0x7f)
            return false;
    return v.n > 0;
}

enum phi_rc api_secret_get(const char *folder, struct phi_view name, struct phi_buf *ret, struct phi_err *err)
{
    char path[4096];
    PHI_BUF(text, API_SECRET_LEN + 1);
    if (!folder || !folder[0])
        return phi_fail(err, PHI_EINPUT, "phid.yaml names no folder \"secrets\", in which \"" PHI_FMT "\" would be", PHI_ARG(phi_view_upto(name, 64)));
    if (!api_secret_name_ok(name))
        return phi_fail(err, PHI_EINPUT, "a secret is named by 1 to 64 letters, digits, _ . and -");
    int n = snprintf(path, sizeof path, "%s/" PHI_FMT, folder, PHI_ARG(name));
    if (n < 0 || (size_t)n >= sizeof path)
        return phi_fail(err, PHI_EINPUT, "the path of the folder \"secrets\" is too long");
    PHI_TRY(phi_file_read_secret(path, API_SECRET_LEN, &text, err));
    struct phi_view v = phi_view_trim(phi_buf_view(&text));
    bool ok = one_line(v);
    if (ok)
        phi_buf_add(ret, v);
    phi_buf_wipe(&text);
    if (!ok)
        return phi_fail(err, PHI_EINPUT, "%s must hold one line", path);
    return phi_buf_ok(ret) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}
