/* What gateways say of themselves and of their targets, kept in memory until they say it again: each phid has
 * what its own gateways said. For `phi doctor`. Used on the core thread only. */
#ifndef API_DOCTOR_H
#define API_DOCTOR_H

#include "base/buf.h"

#define API_REPORTS_MAX 256
#define API_REPORT_MAX  (16 * 1024)

struct api_report {
    char gateway[129];
    int64_t at_boot_ms;
    char *targets; /* JSON list, as it was checked */
    int64_t certificate_begins_ms, certificate_ends_ms; /* wall clock */
};

struct api_reports {
    struct api_report item[API_REPORTS_MAX];
    size_t n;
};

void api_reports_free(struct api_reports *r);

#endif
