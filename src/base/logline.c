#include "base/logline.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "base/text.h"

static const char *log_program = "phi";
static enum phi_log_level log_least = PHI_LOG_INFO;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void phi_log_setup(const char *program, enum phi_log_level least)
{
    log_program = program;
    log_least = least;
}

void phi_log_at(enum phi_log_level level, const char *event, const char *key, const char *fmt, ...)
{
    if (level < log_least)
        return;
    PHI_BUF(line, 8 * 1024);
    PHI_BUF(stamp, 64);
    char value[2048];
    value[0] = 0;
    if (key) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(value, sizeof(value), fmt, ap);
        va_end(ap);
    }
    phi_text_time(&stamp, phi_now_wall_ms());
    struct phi_jw w;
    phi_jw_init(&w, &line);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "t", phi_buf_view(&stamp));
    phi_jw_kc(&w, "level", level_names[level]);
    phi_jw_kc(&w, "program", log_program);
    phi_jw_kc(&w, "ev", event);
    if (key)
        phi_jw_kc(&w, key, value);
    phi_jw_end(&w);
    phi_buf_addc(&line, '\n');
    /* One write a line, so that lines of several threads and processes do not mix. */
    ssize_t n = write(STDERR_FILENO, line.p, line.n);
    (void)n;
}
