#include "gateway/catalog.h"

/* Names are given in full, so that nothing in the target's search_path is run. 16384 is where the ids of what users make
 * begin (FirstNormalObjectId). */

/* schema, name, flags: 's' of the system, 'v' view, 'r' rules besides a view's own, 't' triggers of users, 'u' columns of types
 * that users made, 'f' on another server */
static const char relations[] =
    "SELECT n.nspname, c.relname, pg_catalog.concat("
    " CASE WHEN c.oid OPERATOR(pg_catalog.<) 16384 THEN 's' END, CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'v' THEN 'v' END,"
    " CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid"
    "  AND r.ev_type OPERATOR(pg_catalog.<>) '1') THEN 'r' END,"
    " CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid"
    "  AND NOT t.tgisinternal) THEN 't' END,"
    " CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid"
    "  WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped"
    "  AND t.oid OPERATOR(pg_catalog.>=) 16384) THEN 'u' END,"
    " CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'f' THEN 'f' END)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,v,m,f,p,S,i,I}') AND n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast|temp)'";

/* relation's schema and name, where ('v', 'p', 'd', 'c', 'i', 'D'), what ('F', 'R', 'N'), its schema and name */
static const char uses[] =
    "WITH RECURSIVE t(root, typ) AS ("
    "  SELECT a.attrelid, a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.>=) 16384"
    "   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND a.atttypid OPERATOR(pg_catalog.>=) 16384"
    "  UNION SELECT t.root, x.typ FROM t CROSS JOIN LATERAL ("
    "    SELECT y.typbasetype FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.=) t.typ"
    "    UNION ALL SELECT y.typelem FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.=) t.typ"
    "    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_type y JOIN pg_catalog.pg_attribute a"
    "     ON a.attrelid OPERATOR(pg_catalog.=) y.typrelid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped"
    "     WHERE y.oid OPERATOR(pg_catalog.=) t.typ) x(typ) WHERE x.typ OPERATOR(pg_catalog.>=) 16384),"
    " e(rel, place, tree) AS ("
    "  SELECT r.ev_class, 'v', pg_catalog.concat(r.ev_qual::pg_catalog.text, ' ', r.ev_action::pg_catalog.text) FROM pg_catalog.pg_rewrite r"
    "   WHERE r.ev_type OPERATOR(pg_catalog.=) '1' AND r.ev_class OPERATOR(pg_catalog.>=) 16384"
    "  UNION ALL SELECT p.polrelid, 'p', pg_catalog.concat(p.polqual::pg_catalog.text, ' ', p.polwithcheck::pg_catalog.text)"
    "   FROM pg_catalog.pg_policy p"
    "  UNION ALL SELECT d.adrelid, 'd', d.adbin::pg_catalog.text FROM pg_catalog.pg_attrdef d"
    "  UNION ALL SELECT k.conrelid, 'c', k.conbin::pg_catalog.text FROM pg_catalog.pg_constraint k"
    "   WHERE k.conbin IS NOT NULL AND k.conrelid OPERATOR(pg_catalog.>=) 16384"
    "  UNION ALL SELECT i.indrelid, 'i', pg_catalog.concat(i.indexprs::pg_catalog.text, ' ', i.indpred::pg_catalog.text)"
    "   FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.>=) 16384"
    "   AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)"
    "  UNION ALL SELECT t.root, 'D', k.conbin::pg_catalog.text FROM t JOIN pg_catalog.pg_constraint k"
    "   ON k.contypid OPERATOR(pg_catalog.=) t.typ WHERE k.conbin IS NOT NULL),"
    " m(rel, place, key, id) AS (SELECT DISTINCT e.rel, e.place, x.m[1], x.m[2]::pg_catalog.oid FROM e CROSS JOIN LATERAL"
    "   pg_catalog.regexp_matches(e.tree, ':(\\w*(?:funcid|fnoid|opno|relid|resulttype|eqop|sortop)) ([1-9]\\d*)', 'g') x(m)),"
    " u(rel, place, what, schema, name) AS ("
    "  SELECT m.rel, m.place, 'F', p.pronamespace, p.proname FROM m JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) m.id"
    "   WHERE m.key OPERATOR(pg_catalog.~) '(funcid|fnoid)$'"
    "  UNION SELECT m.rel, m.place, 'F', p.pronamespace, p.proname FROM m JOIN pg_catalog.pg_operator o"
    "   ON o.oid OPERATOR(pg_catalog.=) m.id JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode"
    "   WHERE m.key OPERATOR(pg_catalog.~) '(opno|eqop|sortop)$'"
    "  UNION SELECT m.rel, m.place, 'F', y.typnamespace, y.typname FROM m JOIN pg_catalog.pg_type y"
    "   ON y.oid OPERATOR(pg_catalog.=) m.id WHERE m.key OPERATOR(pg_catalog.=) 'resulttype' AND y.oid OPERATOR(pg_catalog.>=) 16384"
    "   AND y.typtype OPERATOR(pg_catalog.<>) 'e'"
    "  UNION SELECT m.rel, m.place, 'R', c.relnamespace, c.relname FROM m JOIN pg_catalog.pg_class c"
    "   ON c.oid OPERATOR(pg_catalog.=) m.id WHERE m.key OPERATOR(pg_catalog.=) 'relid' AND c.oid OPERATOR(pg_catalog.>=) 16384"
    "   AND c.oid OPERATOR(pg_catalog.<>) m.rel)"
    " SELECT n.nspname, c.relname, u.place, u.what, s.nspname, u.name FROM u"
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.rel JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) u.schema"
    " UNION ALL SELECT DISTINCT n.nspname, c.relname, e.place, 'N', '', x.m[1]::pg_catalog.name FROM e"
    " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) e.rel JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " CROSS JOIN LATERAL pg_catalog.regexp_matches(e.tree, '[{]([A-Z_]+)', 'g') x(m)";

/* schema, name, 'u' of users or 's' of the system */
static const char functions[] =
    "SELECT DISTINCT n.nspname, p.proname, CASE WHEN p.oid OPERATOR(pg_catalog.>=) 16384 THEN 'u' ELSE 's' END"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace";

/* name, the operator's schema, its function's schema and name, 't' when both sides are types that users made and no value of a
 * built-in type can become */
static const char operators[] =
    "SELECT o.oprname, s.nspname, n.nspname, p.proname,"
    " CASE WHEN l.oid OPERATOR(pg_catalog.>=) 16384 AND r.oid OPERATOR(pg_catalog.>=) 16384"
    "  AND l.typtype OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}') AND r.typtype OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}')"
    "  AND l.typelem OPERATOR(pg_catalog.=) 0 AND r.typelem OPERATOR(pg_catalog.=) 0"
    "  AND NOT l.typispreferred AND NOT r.typispreferred THEN 't' ELSE 'f' END"
    " FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) o.oprnamespace"
    " JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
    " LEFT JOIN pg_catalog.pg_type l ON l.oid OPERATOR(pg_catalog.=) o.oprleft LEFT JOIN pg_catalog.pg_type r ON r.oid OPERATOR(pg_catalog.=) o.oprright"
    " WHERE o.oid OPERATOR(pg_catalog.>=) 16384";

/* schema, name, 't' when making a value of it runs nothing of the users' */
static const char types[] =
    "WITH RECURSIVE t(root, typ) AS ("
    "  SELECT y.oid, y.oid FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.>=) 16384"
    "  UNION SELECT t.root, x.typ FROM t CROSS JOIN LATERAL ("
    "    SELECT y.typbasetype FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.=) t.typ"
    "    UNION ALL SELECT y.typelem FROM pg_catalog.pg_type y WHERE y.oid OPERATOR(pg_catalog.=) t.typ"
    "    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_type y JOIN pg_catalog.pg_attribute a"
    "     ON a.attrelid OPERATOR(pg_catalog.=) y.typrelid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped"
    "     WHERE y.oid OPERATOR(pg_catalog.=) t.typ) x(typ) WHERE x.typ OPERATOR(pg_catalog.>=) 16384)"
    " SELECT n.nspname, y.typname, CASE WHEN EXISTS (SELECT 1 FROM t JOIN pg_catalog.pg_type z ON z.oid OPERATOR(pg_catalog.=) t.typ"
    "  WHERE t.root OPERATOR(pg_catalog.=) y.oid AND (z.typtype OPERATOR(pg_catalog.=) ANY ('{r,m,p}')"
    "   OR (z.typtype OPERATOR(pg_catalog.=) 'b' AND z.typinput OPERATOR(pg_catalog.<>) 'pg_catalog.array_in'::pg_catalog.regproc)"
    "   OR (z.typtype OPERATOR(pg_catalog.=) 'd' AND EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k"
    "    WHERE k.contypid OPERATOR(pg_catalog.=) z.oid AND k.conbin IS NOT NULL)))) THEN 'f' ELSE 't' END"
    " FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) y.typnamespace"
    " WHERE y.oid OPERATOR(pg_catalog.>=) 16384 AND n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast|temp)'";

/* schema and name of what runs, 't' when one side is a type that only something user-defined can give */
static const char casts[] =
    "SELECT coalesce(n.nspname, m.nspname), coalesce(p.proname, t.typname),"
    " CASE WHEN (s.oid OPERATOR(pg_catalog.>=) 16384 AND s.typtype OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}') AND s.typelem OPERATOR(pg_catalog.=) 0)"
    "  OR (t.oid OPERATOR(pg_catalog.>=) 16384 AND t.typtype OPERATOR(pg_catalog.=) ANY ('{b,e,r,m}') AND t.typelem OPERATOR(pg_catalog.=) 0)"
    "  THEN 't' ELSE 'f' END"
    " FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type s ON s.oid OPERATOR(pg_catalog.=) c.castsource"
    " JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.casttarget JOIN pg_catalog.pg_namespace m ON m.oid OPERATOR(pg_catalog.=) t.typnamespace"
    " LEFT JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) c.castfunc LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace"
    " WHERE c.oid OPERATOR(pg_catalog.>=) 16384 AND c.castmethod OPERATOR(pg_catalog.<>) 'b'";

const struct gw_catalog_query gw_catalog_sql[GW_CATALOG_N] = {
    [GW_CATALOG_RELATIONS] = { relations, 3 }, [GW_CATALOG_USES] = { uses, 6 },   [GW_CATALOG_FUNCTIONS] = { functions, 3 },
    [GW_CATALOG_OPERATORS] = { operators, 5 }, [GW_CATALOG_TYPES] = { types, 3 }, [GW_CATALOG_CASTS] = { casts, 3 },
};
