/* The console's files, read once at the start: what is served is what was there then, and nothing that
 * a path could reach. */
#ifndef API_FILES_H
#define API_FILES_H

#include "base/hash.h"

struct api_files;

struct api_file {
    struct phi_view body;
    const char *type;
    char etag[2 * 16 + 3]; /* strong: of the content, quoted */
};

/* Reads DIR with its folders: regular files only, no links, no hidden names; at most 512 files, 16 MiB. */
enum phi_rc api_files_open(const char *dir, struct api_files **ret, struct phi_err *err);
void api_files_close(struct api_files *f);
/* "/assets/app.js", as sent; "/" and "/r/CODE" are index.html. NULL: no such file. f may be NULL. */
const struct api_file *api_files_find(const struct api_files *f, struct phi_view path);
size_t api_files_count(const struct api_files *f);

#endif
