/* Log entries in the forms that other tools read. Each function appends one record for one entry and changes nothing in
 * what it says: the entry itself goes along, so that what was exported can still be held against the log.
 *
 * OCSF: https://schema.ocsf.io, version 1.3.0, category Identity & Access Management. Syslog: RFC 5424. CSV: RFC 4180. */
#ifndef PROOF_EXPORT_H
#define PROOF_EXPORT_H

#include "base/json.h"

enum phi_export_form { PHI_EXPORT_JSON = 1, PHI_EXPORT_OCSF, PHI_EXPORT_CSV, PHI_EXPORT_SYSLOG };

bool phi_export_form_read(struct phi_view name, enum phi_export_form *ret); /* "json", "ocsf", "csv", "syslog" */
const char *phi_export_file(enum phi_export_form f);                          /* its usual file name */
const char *phi_export_head(enum phi_export_form f);                          /* the first line, "" none */
/* One line with its newline. `origin`: of the log. PHI_EINPUT: this is no entry of phi's. */
enum phi_rc phi_export_entry(struct phi_buf *out, enum phi_export_form f, struct phi_view origin, struct phi_view entry,
                             struct phi_err *err);

#endif
