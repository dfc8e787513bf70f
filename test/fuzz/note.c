/* The log's texts as anybody may send them: signed notes, checkpoints, steps to another key, what a witness is asked and answers, tile
 * paths, operators' lines. What is read is written again as it was. */
#include <stdlib.h>
#include <string.h>

#include "proof/cosign.h"
#include "proof/succession.h"
#include "proof/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct phi_buf *b, struct phi_view v)
{
    if (phi_buf_ok(b) && !phi_view_eq(phi_buf_view(b), v))
        abort();
}

static void texts(struct phi_view v)
{
    struct phi_succession s;
    struct phi_checkpoint c;
    struct phi_tile t;
    PHI_BUF(again, 8192);
    PHI_BUF(path, 256);
    if (phi_succession_read(v, &s, NULL) == PHI_OK) {
        phi_succession_write(&again, &s);
        same(&again, v);
    }
    if (phi_tile_read(v, &t, NULL) == PHI_OK) {
        phi_tile_write(&path, &t);
        same(&path, v);
    }
    (void)phi_checkpoint_read(v, &c, NULL);
}

static void keys(struct phi_view v)
{
    struct phi_vkey vk, operators[PHI_OPERATORS_MAX], from = { PHI_LIT("phi.test/log"), { { 1 } } };
    struct phi_cosigner who = { PHI_LIT("w"), { { 2 } } };
    struct phi_succession s;
    struct phi_checkpoint c;
    struct phi_view text, line;
    int64_t at;
    size_t n;
    (void)phi_vkey_read(v, &vk, NULL);
    (void)phi_operators_read(v, operators, &n, NULL);
    (void)phi_cosigner_read(v, &who, NULL);
    if (phi_note_open(v, &from, &text, NULL) == PHI_OK || phi_checkpoint_open(v, &from, &c, NULL) == PHI_OK ||
        phi_succession_open(v, &from, &from, 1, &s, NULL) == PHI_OK || phi_cosign_find(v, &who, &at, &line, NULL) == PHI_OK)
        abort(); /* nobody holds these keys */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phi_view v = phi_view_mem(data, size);
    struct phi_witness_ask ask;
    PHI_BUF(again, PHI_WITNESS_BODY_MAX);
    texts(v);
    keys(v);
    if (phi_witness_ask_read(v, &ask, NULL) == PHI_OK)
        phi_witness_ask_write(&again, &ask);
    return 0;
}
