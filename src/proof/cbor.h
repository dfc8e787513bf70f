/* The CBOR that authenticators write (CTAP2 canonical form, FIDO CTAP 2.1 §8): definite lengths, shortest heads, no
 * floats, no tags, at most CBOR_DEPTH deep. A cursor over borrowed bytes: nothing is allocated. */
#ifndef PROOF_CBOR_H
#define PROOF_CBOR_H

#include "base/view.h"

#include <stdint.h>

#define CBOR_DEPTH 4

enum cbor_kind { CBOR_BAD, CBOR_INT, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_SIMPLE };

struct cbor_item {
    enum cbor_kind kind;
    int64_t num;           /* INT: its value; ARRAY, MAP: how many; SIMPLE: 20 false, 21 true, 22 null */
    struct phi_view bytes; /* BYTES, TEXT */
};

/* Takes one item's head (and a string's bytes) off the front of `in`. CBOR_BAD: not that, or cut off. */
struct cbor_item cbor_next(struct phi_view *in);
/* Takes one whole item off, with all in it. False: bad, or too deep. */
bool cbor_skip(struct phi_view *in, int depth);

#endif
