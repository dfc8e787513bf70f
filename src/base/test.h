/* What unit tests share: cmocka with the headers that it wants before it. */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/view.h"

#define assert_view(v, text)                                                                       \
    do {                                                                                           \
        struct phi_view v_ = (v);                                                                  \
        if (!phi_view_is(v_, (text)))                                                              \
            fail_msg("got \"" PHI_FMT "\", want \"%s\"", PHI_ARG(v_), (text));                     \
    } while (0)

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#endif
