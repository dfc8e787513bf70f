/* A program that decides with libphi:
 *   cc embed.c $(pkg-config --cflags --libs libphi) -o embed && ./embed alice delete */
#include <stdio.h>

#include <phi/policy.h>

static const char schema[] =
    "entity Group; entity Person in [Group]; entity Table;"
    "action read, delete appliesTo { principal: Person, resource: Table, context: { met: Set<String>, rows: Long } };";

static const char policies[] =
    "permit (principal in Group::\"dev\", action == Action::\"read\", resource);"
    "permit (principal in Group::\"dev\", action == Action::\"delete\", resource)"
    "when { context.rows < 100 && context.met.contains(\"dba\") };";

static const char requirements[] = "dba: {approve: [{from: 'Group::\"dba\"', count: 1}]}";

static const char entities[] =
    "[{\"uid\":{\"type\":\"Person\",\"id\":\"alice\"},\"attrs\":{},\"parents\":[{\"type\":\"Group\",\"id\":\"dev\"}]}]";

int main(int argc, char **argv)
{
    char who[128], what[128], text[256];
    struct phi_policies *p = phi_policies_open(schema, policies, requirements, text, sizeof text);
    struct phi_entity_set *w = p ? phi_entity_set_open(p, entities, 1 << 20, text, sizeof text) : NULL;
    enum phi_decision d = PHI_DECISION_DENY;
    if (w && argc >= 3) {
        snprintf(who, sizeof who, "Person::\"%s\"", argv[1]);
        snprintf(what, sizeof what, "Action::\"%s\"", argv[2]);
        struct phi_question q = { .principal = who, .action = what, .resource = "Table::\"orders\"", .context = "{\"rows\": 7}",
                                  .met = (const char *const *)argv + 3, .n_met = (size_t)argc - 3 };
        d = phi_policies_decide(p, w, &q, text, sizeof text);
    }
    printf("%s: %s\n", d == PHI_DECISION_ALLOW ? "allow" : d == PHI_DECISION_NEEDS ? "needs" : "deny", text);
    phi_entity_set_close(w);
    phi_policies_close(p);
    return d == PHI_DECISION_ALLOW ? 0 : 1;
}
