/* Runs a fuzz target over every file of the folders given: what a crash left behind stays a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 1;
    uint8_t *data = malloc(1 << 22);
    size_t n = data ? fread(data, 1, 1 << 22, f) : 0;
    fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* so that ASan sees a byte too far */
    if (data && exact) {
        for (size_t i = 0; i < n; i++)
            exact[i] = data[i];
        LLVMFuzzerTestOneInput(exact, n);
    }
    free(exact);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int bad = 0, files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        for (const struct dirent *d; (d = readdir(dir));) {
            char path[4096];
            if (d->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], d->d_name);
            bad += run_file(path);
            files++;
        }
        closedir(dir);
    }
    printf("%d inputs replayed\n", files);
    return bad || files == 0;
}
