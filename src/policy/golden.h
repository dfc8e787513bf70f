/* Tests of a bundle, for people who do not write C. A file is YAML:
 *
 *   entities:
 *     - Person::"alice" in Group::"dev"            # a parent, or several with commas
 *     - {entity: 'Request::"r"', in: [], attributes: {risk: 5}}
 *   tests:
 *     - name: writing needs a DBA
 *       who: Person::"alice"
 *       does: Action::"pg:delete"
 *       on: Table::"t"
 *       context: {risk: 5}                         # may be left out
 *       met: [dba]                                 # may be left out
 *       can: [mask]                                # kinds of obligations; may be left out
 *       answer: needs dba                          # allow, `allow with a and b`, deny, unknown, or `needs a and b, or c`
 *       because: [write-orders]                    # who decided; may be left out
 *       reason: text                               # the sentence for people; may be left out
 */
#ifndef POLICY_GOLDEN_H
#define POLICY_GOLDEN_H

#include "policy/bundle.h"

struct cedar_golden {
    size_t passed, failed;
};

/* Appends a line for each test that fails: what it got and what was wanted. */
enum phi_rc cedar_golden_run(const struct phi_bundle *b, struct phi_view text, const char *file, struct phi_buf *out,
                             struct cedar_golden *ret, struct phi_err *err);
/* "allow", "allow with mask and record", "deny", "unknown", or "needs dba and mfa, or ticket". */
void cedar_answer_write(struct phi_buf *b, const struct phi_answer *answer);

#endif
