/* Operational log: one JSON object a line on standard error. Not the audit log. Never pass a secret;
 * values are escaped. Thread-safe.  PHI_LOG(INFO, "listening", "port", "%d", port); */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

enum phi_log_level { PHI_LOG_DEBUG, PHI_LOG_INFO, PHI_LOG_WARN, PHI_LOG_ERROR };

void phi_log_setup(const char *program, enum phi_log_level least);
/* `key` may be NULL for an event without a value. */
void phi_log_at(enum phi_log_level level, const char *event, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define PHI_LOG(level, event, key, ...) phi_log_at(PHI_LOG_##level, event, key, __VA_ARGS__)

#endif
