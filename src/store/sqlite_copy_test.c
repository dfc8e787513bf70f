#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <sqlite3.h>

#include "base/test_path.h"
#include "store/migrations.h"
#include "store/sqlite.h"

#define ROWS 4000

static char path[160], copy[180], kept[180];
static struct phi_err err;

static void gone(const char *p)
{
    char more[200];
    static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(more, sizeof more, "%s%s", p, tails[i]);
        unlink(more);
    }
}

static int clean(void **state)
{
    (void)state;
    gone(path);
    gone(copy);
    gone(kept);
    return 0;
}

static void put(struct phi_store *s, int64_t from, int64_t n)
{
    char text[400];
    memset(text, 'x', sizeof text);
    assert_int_equal(s->ops->begin(s->self, &err), PHI_OK);
    for (int64_t i = from; i < from + n; i++) {
        struct core_leaf_row row = { i, phi_view_mem(text, sizeof text), phi_view_mem(text, 32) };
        assert_int_equal(s->ops->add(s->self, CORE_LEAF, &row, &err), PHI_OK);
    }
    assert_int_equal(s->ops->commit(s->self, &err), PHI_OK);
}

static void undo(struct phi_store *s, bool all)
{
    struct core_leaf_row row = { 1 << 20, PHI_LIT("undone"), PHI_LIT("") };
    assert_int_equal(s->ops->begin(s->self, &err), PHI_OK);
    assert_int_equal(s->ops->mark(s->self, &err), PHI_OK);
    assert_int_equal(s->ops->add(s->self, CORE_LEAF, &row, &err), PHI_OK);
    assert_int_equal(s->ops->back(s->self, &err), PHI_OK);
    if (all)
        s->ops->rollback(s->self);
    else
        assert_int_equal(s->ops->commit(s->self, &err), PHI_OK);
}

static int64_t count(const char *file)
{
    struct phi_store *s;
    struct core_leaf_row *rows;
    size_t n;
    PHI_ARENA(a, (size_t)64 << 20);
    assert_int_equal(phi_store_sqlite_check(file, &err), PHI_OK);
    assert_int_equal(phi_store_sqlite_open(file, &s, &err), PHI_OK);
    assert_int_equal(s->ops->begin(s->self, &err), PHI_OK);
    assert_int_equal(s->ops->list(s->self, CORE_LEAF, CORE_BY_KEY, NULL, &(struct core_span){ 0 }, &a, &rows, &n, &err), PHI_OK);
    s->ops->rollback(s->self);
    phi_store_close(s);
    return (int64_t)n;
}

static void what_is_committed_between_two_steps_is_in_the_copy(void **state)
{
    struct phi_store *s;
    bool done = false;
    int64_t rows = ROWS, steps = 0;
    (void)state;
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    put(s, 0, rows);
    assert_int_equal(s->ops->copy_begin(s->self, copy, &err), PHI_OK);
    while (!done) {
        assert_int_equal(s->ops->copy_step(s->self, 32, &done, &err), PHI_OK);
        if (done)
            break;
        put(s, rows, 10);
        rows += 10;
        undo(s, steps < 3); /* and what is undone is not; a whole transaction that is makes the copy begin again */
        steps++;
    }
    s->ops->copy_end(s->self);
    assert_true(steps > 5);
    put(s, rows, 7);
    assert_int_equal(count(copy), rows);
    phi_store_close(s);
    assert_int_equal(count(path), rows + 7);
}

static void a_copy_overwrites_nothing_and_there_is_one_at_a_time(void **state)
{
    struct phi_store *s;
    (void)state;
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    close(open(copy, O_CREAT | O_RDWR, 0600));
    assert_int_equal(s->ops->copy_begin(s->self, copy, &err), PHI_EIO);
    unlink(copy);
    assert_int_equal(s->ops->copy_begin(s->self, copy, &err), PHI_OK);
    assert_int_equal(s->ops->copy_begin(s->self, kept, &err), PHI_ECONFLICT);
    s->ops->copy_end(s->self);
    phi_store_close(s);
}

static void a_damaged_copy_is_found(void **state)
{
    struct phi_store *s;
    (void)state;
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    put(s, 0, ROWS);
    phi_store_close(s);
    assert_int_equal(phi_store_sqlite_check(path, &err), PHI_OK);
    int fd = open(path, O_RDWR);
    for (off_t at = 200 * 4096; at < 210 * 4096; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    close(fd);
    assert_int_equal(phi_store_sqlite_check(path, &err), PHI_ECORRUPT);
}

static void before_a_migration_the_old_file_is_kept(void **state)
{
    struct phi_store *s;
    sqlite3 *db;
    char had[256];
    (void)state;
    snprintf(had, sizeof had, "CREATE TABLE migration (version INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL) STRICT;"
                              "INSERT INTO migration VALUES (1, '', '%s')", store_migrations[0].digest);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, store_migrations[0].sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, had, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1; PRAGMA application_id = 1885890865", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    phi_store_close(s);
    assert_int_equal(phi_store_sqlite_check(kept, &err), PHI_OK);
    struct stat st;
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(kept);
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK); /* nothing to change now */
    phi_store_close(s);
    assert_int_not_equal(access(kept, F_OK), 0);
}

static off_t wal_size(void)
{
    char wal[180];
    struct stat st;
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(stat(wal, &st), 0);
    return st.st_size;
}

static off_t file_size(void)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* What a claim does after its grant: it commits while others may wait. */
static void the_log_is_not_written_back_by_commits_nor_while_others_wait(void **state)
{
    struct phi_store *s;
    (void)state;
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    s->ops->tidy(s->self, false);
    off_t was = file_size();
    for (int i = 0; i < 100; i++) { /* over a hundred pages */
        put(s, i * 20, 20);
        s->ops->tidy(s->self, true);
        assert_int_equal(file_size(), was);
    }
    s->ops->tidy(s->self, false); /* nobody asks now */
    assert_true(file_size() > was);
    phi_store_close(s);
    assert_int_equal(count(path), 2000);
}

static void copy_as_a_crash_leaves_it(void)
{
    char from[180], to[200];
    static char bytes[1 << 16];
    static const char *const tails[] = { "", "-wal" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s%s", path, tails[i]);
        snprintf(to, sizeof to, "%s%s", copy, tails[i]);
        FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
        assert_true(in && out);
        for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
            assert_int_equal(fwrite(bytes, 1, n, out), n);
        fclose(in);
        assert_int_equal(fclose(out), 0);
    }
}

static void the_log_has_its_blocks_before_a_commit_needs_them(void **state)
{
    struct phi_store *s;
    struct statvfs fs;
    (void)state;
    assert_int_equal(phi_store_sqlite_open(path, &s, &err), PHI_OK);
    assert_int_equal(statvfs(path, &fs), 0);
    if ((uint64_t)fs.f_bavail * fs.f_frsize < 128 << 20) {
        phi_store_close(s);
        skip(); /* where there is little space, it is not taken */
    }
    s->ops->tidy(s->self, true);
    assert_true(wal_size() < 1 << 20); /* others wait */
    for (int i = 0; i < 20; i++)
        s->ops->tidy(s->self, false);
    off_t room = wal_size();
    assert_in_range(room, 8 << 20, 10 << 20);
    put(s, 0, 500);
    put(s, 500, 500);
    assert_int_equal(wal_size(), room);
    copy_as_a_crash_leaves_it();
    assert_int_equal(count(copy), 1000);
    phi_store_close(s);
    assert_int_equal(count(path), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_committed_between_two_steps_is_in_the_copy, clean, clean),
        cmocka_unit_test_setup_teardown(a_copy_overwrites_nothing_and_there_is_one_at_a_time, clean, clean),
        cmocka_unit_test_setup_teardown(a_damaged_copy_is_found, clean, clean),
        cmocka_unit_test_setup_teardown(before_a_migration_the_old_file_is_kept, clean, clean),
        cmocka_unit_test_setup_teardown(the_log_is_not_written_back_by_commits_nor_while_others_wait, clean, clean),
        cmocka_unit_test_setup_teardown(the_log_has_its_blocks_before_a_commit_needs_them, clean, clean),
    };
    test_path(path, sizeof path, "copy-test.db");
    snprintf(copy, sizeof copy, "%s.copy", path);
    snprintf(kept, sizeof kept, "%s.schema-1", path);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
