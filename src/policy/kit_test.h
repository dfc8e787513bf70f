/* What the tests of this room share. */
#ifndef POLICY_KIT_TEST_H
#define POLICY_KIT_TEST_H

#include "policy/bundle.h"

#include "base/os.h"
#include "base/test.h"

#define UID(t, i) ((struct phi_uid){ PHI_LIT(t), PHI_LIT(i) })

static inline struct phi_view kit_file(struct phi_arena *a, const char *path)
{
    PHI_BUF(text, 16 << 20);
    struct phi_err err = { 0 };
    if (phi_file_read(path, 16 << 20, &text, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return phi_arena_copy(a, phi_buf_view(&text));
}

static inline struct phi_bundle *kit_load(const char *schema, const char *policies,
                                          const char *requirements)
{
    struct phi_bundle_text text = { phi_view_of(schema), phi_view_of(policies),
                                    phi_view_of(requirements), 1 };
    struct phi_bundle *b = NULL;
    struct phi_err err = { 0 };
    if (cedar_bundle_load(&text, 0, &b, &err) != PHI_OK) /* policies that err, too */
        fail_msg("%s", err.msg);
    return b;
}

#endif
