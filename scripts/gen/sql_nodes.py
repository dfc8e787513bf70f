#!/usr/bin/env python3
"""Writes src/gateway/sql_nodes.c: the parse-tree nodes that may stand in a query or an expression, with the kind of
each field, from libpg_query's own description.

usage: scripts/gen/sql_nodes.py PATH/TO/pg_query.proto > src/gateway/sql_nodes.c

A node that is not in ALLOWED, and a field that the description lacks, is unknown to phi and makes its statement
pg:admin. So add a node here only after reading what the server does with it."""
import re
import sys

ALLOWED = """A_ArrayExpr A_Expr A_Indices A_Indirection A_Star Alias BitString BoolExpr Boolean BooleanTest CTECycleClause
CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef ColumnRef CommonTableExpr CurrentOfExpr DeleteStmt Float
FuncCall GroupingFunc GroupingSet InferClause InsertStmt Integer JoinExpr JsonAggConstructor JsonArgument JsonArrayAgg
JsonArrayConstructor JsonArrayQueryConstructor JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg
JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr JsonTable JsonTableColumn
JsonTablePathSpec JsonValueExpr IndexElem List LockingClause MergeStmt MergeSupportFunc MergeWhenClause MinMaxExpr MultiAssignRef
NamedArgExpr NullTest OnConflictClause ParamRef RangeFunction RangeSubselect RangeTableFunc RangeTableFuncCol
RangeTableSample RangeVar ResTarget RowExpr SQLValueFunction SelectStmt SetToDefault SortBy String SubLink TypeCast TypeName
UpdateStmt WindowDef WithClause XmlExpr XmlSerialize A_Const""".split()

text = open(sys.argv[1], encoding="utf-8").read()
enums = set(re.findall(r"^enum (\w+)", text, re.M))
scalars = {"bool", "int32", "uint32", "int64", "uint64", "string", "double", "float"}


def fields(name):
    if name == "A_Const":  # a constant's value is a one-of of plain values
        return [(f, "-") for f in "ival fval boolval sval bsval isnull location".split()]
    # "xpr" is the base struct of an expression: never written
    body = re.search(r"^message %s\s*\n?{(.*?)^}" % name, text, re.M | re.S).group(1)
    out = []
    for kind, ident, rest in re.findall(r"^\s*(?:repeated )?(\w+) (\w+) = \d+(.*);", body, re.M):
        given = re.search(r'json_name="(\w+)"', rest)
        key = given.group(1) if given else ident
        if key == "xpr":
            continue
        if kind in scalars or kind in enums:
            out.append((key, "-"))
        elif kind == "Node":
            out.append((key, "*"))
        else:
            out.append((key, kind))
    return out


print("/* Made by scripts/gen/sql_nodes.py; change that, not this. */")
print('#include "gateway/sql_walk.h"\n')
print("const struct sql_node sql_nodes[] = {")
for name in sorted(ALLOWED, key=lambda s: s.encode()):
    spec = "".join("%s:%s " % f for f in fields(name))
    line, rest = '    { "%s",' % name, []
    words = spec.split()
    rows, row = [], ""
    for w in words:
        if len(row) + len(w) > 90:
            rows.append(row)
            row = ""
        row += w + " "
    rows.append(row)
    print(line + "\n      " + "\n      ".join('"%s"' % r for r in rows) + " },")
print("};\nconst size_t sql_nodes_n = sizeof sql_nodes / sizeof sql_nodes[0];")
