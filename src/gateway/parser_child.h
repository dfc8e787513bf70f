/* The inside of a parser process. */
#ifndef GATEWAY_PARSER_CHILD_H
#define GATEWAY_PARSER_CHILD_H

#include "base/buf.h"

/* A request is length (32 bits) and text; a reply is flags (8), length (32) and what sql_pack.h says. */
#define PARSER_FLAG "--phi-parser"
#define PARSER_BYE 1u /* the process ends after this reply, to give its memory back */
#define PARSER_STACK (64u * 1024 * 1024)

/* Parses and packs one text (NUL-terminated). Needs the stack; tests may call it directly. */
void parser_pack(const char *sql, struct phi_buf *out);
/* Serves requests on descriptor 0 until its end; returns the exit code. */
int parser_serve(void);
/* Leaves only what parsing needs: rlimits, system calls. False: do not go on. */
bool parser_confine(void);

#endif
