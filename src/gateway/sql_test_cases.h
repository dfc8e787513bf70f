static const struct {
    const char *sql, *actions;
    bool harmless;
} cases[] = {
    { "SELECT 1", "", true },
    { "SELECT * FROM orders", "select public.orders", true },
    { "DELETE FROM orders WHERE id = 7", "delete public.orders", true },
};
