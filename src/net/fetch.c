#include "net/fetch.h"

#include <string.h>
#include <strings.h>

bool net_fetch_header(const struct net_fetch_answer *a, const char *name, struct phi_view *ret)
{
    struct phi_view rest = a->headers, line, key;
    size_t n = strlen(name);
    bool found = false;
    while (phi_view_split(&rest, '\n', &line))
        if (line.n > n && line.p[n] == ':' && strncasecmp((const char *)line.p, name, n) == 0) {
            phi_view_split(&line, ':', &key);
            *ret = phi_view_trim(line);
            found = true;
        }
    return found;
}
