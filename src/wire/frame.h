/* What a parser of bounded bytes answers: it touches no socket, so the same function serves server,
 * test and fuzzer. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

enum phi_frame {
    PHI_FRAME_MORE,  /* nothing wrong so far, bytes are missing; nothing was consumed */
    PHI_FRAME_READY, /* one whole thing was read and consumed */
    PHI_FRAME_BAD    /* can never become right: end the connection */
};

#endif
