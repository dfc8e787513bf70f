"""Data for bench policy: workloads of the shapes published with Cedar (OOPSLA 2024: gdrive, github, tinytodo), made by a generator
of our own, and scoped policies from few to very many. Each is a folder of schema.cedarschema, policies.cedar, entities.json,
requests.json and, where casbin can express it, model.conf and policy.csv."""
import json
import os
import random

EDGE = 0.05  # how likely any two are connected, as published

GDRIVE_SCHEMA = """
entity Group; entity View in [View];
entity User in [Group] = { viewable: View, documents: Set<Document>, folders: Set<Folder> };
entity Document in [Folder, View] = { public: Bool };
entity Folder in [Folder, View] = { public?: Bool };
action read, write, share, changeOwner appliesTo { principal: User, resource: [Document, Folder] };
action createDocument appliesTo { principal: User, resource: [Document, Folder] };
"""
GDRIVE = """
permit (principal, action == Action::"read", resource) when { resource in principal.viewable };
permit (principal, action == Action::"read", resource) when { resource has public && resource.public };
permit (principal, action in [Action::"read", Action::"write", Action::"share"], resource)
when { resource in principal.documents || resource in principal.folders };
permit (principal, action == Action::"changeOwner", resource) when { principal.documents.contains(resource) };
permit (principal, action == Action::"createDocument", resource) when { principal.folders.contains(resource) };
"""
GITHUB_SCHEMA = """
entity OrgRole; entity RepoRole; entity Team in [Team, RepoRole];
entity Organization in [OrgRole] = { readers: OrgRole, writers: OrgRole, admins: OrgRole };
entity User in [Team, RepoRole, OrgRole, Organization];
entity Repository = { readers: RepoRole, triagers: RepoRole, writers: RepoRole, maintainers: RepoRole, admins: RepoRole, owner: Organization };
action admin appliesTo { principal: [User, Team, Organization], resource: Repository };
action maintain in [admin] appliesTo { principal: [User, Team, Organization], resource: Repository };
action write in [maintain] appliesTo { principal: [User, Team, Organization], resource: Repository };
action triage in [write] appliesTo { principal: [User, Team, Organization], resource: Repository };
action read in [triage] appliesTo { principal: [User, Team, Organization], resource: Repository };
"""
GITHUB = """
permit (principal, action == Action::"read", resource) when { principal in resource.readers };
permit (principal, action in Action::"triage", resource) when { principal in resource.triagers };
permit (principal, action in Action::"write", resource) when { principal in resource.writers };
permit (principal, action in Action::"maintain", resource) when { principal in resource.maintainers };
permit (principal, action in Action::"admin", resource) when { principal in resource.admins };
permit (principal, action == Action::"read", resource) when { principal in resource.owner.readers };
permit (principal, action in Action::"write", resource) when { principal in resource.owner.writers };
permit (principal, action in Action::"admin", resource) when { principal in resource.owner.admins };
"""
TINYTODO_SCHEMA = """
entity Application; entity Team in [Team, Application]; entity User in [Team, Application];
type Task = { id: Long, name: String, state: String };
entity List in [Application] = { owner: User, name: String, readers: Team, editors: Team, tasks: Set<Task> };
action CreateList, GetLists appliesTo { principal: User, resource: Application };
action GetList, UpdateList, DeleteList, CreateTask, UpdateTask, DeleteTask, EditShares appliesTo { principal: User, resource: List };
"""
TINYTODO = """
permit (principal, action in [Action::"CreateList", Action::"GetLists"], resource == Application::"TinyTodo");
permit (principal, action, resource) when { resource is List && resource.owner == principal };
permit (principal, action == Action::"GetList", resource) when { principal in resource.readers || principal in resource.editors };
permit (principal, action in [Action::"UpdateList", Action::"CreateTask", Action::"UpdateTask", Action::"DeleteTask"], resource)
when { principal in resource.editors };
"""
SCOPED_SCHEMA = """
entity Group in [Group]; entity Folder in [Folder];
entity User in [Group] = { level: Long };
entity Doc in [Folder] = { level: Long };
action read, write, remove appliesTo { principal: User, resource: Doc, context: { mfa: Bool } };
"""
MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && g2(r.obj, p.obj) && r.act == p.act
"""


def ref(kind, name):
    return {"type": kind, "id": name}


def entity(kind, eid, parents=(), **attrs):
    return {"uid": ref(kind, eid), "attrs": attrs, "parents": list(parents)}


def value(uid):
    return {"__entity": uid}


class Maker:
    def __init__(self, seed):
        self.rnd = random.Random(seed)

    def some(self, kind, prefix, n):
        return [ref(kind, f"{prefix}{i}") for i in range(n) if self.rnd.random() < EDGE]

    def one(self, kind, prefix, n):
        return ref(kind, f"{prefix}{self.rnd.randrange(n)}")

    def ask(self, principal, action, resource, context=None):
        return {"principal": principal, "action": ref("Action", action), "resource": resource, "context": context or {}}

    def gdrive(self, n, requests):
        found, members = [], {g: [] for g in range(n)}
        for i in range(n):
            groups = self.some("Group", "g", n)
            for g in groups:
                members[int(g["id"][1:])].append(i)
            found.append(entity("User", f"u{i}", groups, viewable=value(ref("View", f"user {i}")),
                                documents=[value(d) for d in self.some("Document", "d", n)],
                                folders=[value(f) for f in self.some("Folder", "f", n)]))
            found.append(entity("View", f"user {i}"))
        for g in range(n):
            found.append(entity("Group", f"g{g}"))
            found.append(entity("View", f"group {g}", [ref("View", f"user {u}") for u in members[g]]))
        for i in range(n):
            views = self.some("View", "user ", n) + self.some("View", "group ", n)
            found.append(entity("Document", f"d{i}", self.some("Folder", "f", n) + views, public=self.rnd.random() < 0.5))
        for i in range(n):
            views = self.some("View", "user ", n) + self.some("View", "group ", n)
            found.append(entity("Folder", f"f{i}", self.some("Folder", "f", i) + views))
        asks = []
        for _ in range(requests):
            action = self.rnd.choice(["read", "write", "share", "changeOwner", "createDocument"])
            resource = self.rnd.choice([self.one("Document", "d", n), self.one("Folder", "f", n)])
            asks.append(self.ask(self.one("User", "u", n), action, resource))
        return GDRIVE_SCHEMA, GDRIVE, found, asks

    def github(self, n, requests):
        repo_roles, org_roles = ["readers", "triagers", "writers", "maintainers", "admins"], ["readers", "writers", "admins"]
        def roles(kind, prefix, names):
            return [ref(kind, f"{prefix}{j} {self.rnd.choice(names)}") for j in range(n) if self.rnd.random() < EDGE]
        found = []
        for i in range(n):
            found.append(entity("Organization", f"o{i}", roles("OrgRole", "o", org_roles),
                                **{r: value(ref("OrgRole", f"o{i} {r}")) for r in org_roles}))
            found += [entity("OrgRole", f"o{i} {r}") for r in org_roles]
            found.append(entity("Repository", f"r{i}", **{r: value(ref("RepoRole", f"r{i} {r}")) for r in repo_roles},
                                owner=value(self.one("Organization", "o", n))))
            found += [entity("RepoRole", f"r{i} {r}") for r in repo_roles]
            found.append(entity("Team", f"t{i}", self.some("Team", "t", i) + roles("RepoRole", "r", repo_roles)))
            found.append(entity("User", f"u{i}", roles("RepoRole", "r", repo_roles) + self.some("Team", "t", n)
                                + self.some("Organization", "o", n) + roles("OrgRole", "o", org_roles)))
        asks = [self.ask(self.one("User", "u", n), self.rnd.choice(["read", "triage", "write", "maintain", "admin"]), self.one("Repository", "r", n))
                for _ in range(requests)]
        return GITHUB_SCHEMA, GITHUB, found, asks

    def tinytodo(self, n, requests):
        app = ref("Application", "TinyTodo")
        found = [entity("Application", "TinyTodo")]
        for i in range(n):
            found.append(entity("User", f"u{i}", self.some("Team", "t", n) + [app]))
            found.append(entity("Team", f"t{i}", self.some("Team", "t", i) + [app]))
            tasks = [{"id": self.rnd.randrange(10**6), "name": f"task {k}", "state": self.rnd.choice(["Checked", "Unchecked"])}
                     for k in range(self.rnd.randrange(50))]
            found.append(entity("List", f"l{i}", [app], owner=value(self.one("User", "u", n)), name=f"list {i}",
                                readers=value(self.one("Team", "t", n)), editors=value(self.one("Team", "t", n)), tasks=tasks))
        asks = []
        for _ in range(requests):
            if self.rnd.random() < 0.2:
                asks.append(self.ask(self.one("User", "u", n), self.rnd.choice(["CreateList", "GetLists"]), app))
            else:
                action = self.rnd.choice(["GetList", "UpdateList", "DeleteList", "CreateTask", "UpdateTask", "DeleteTask", "EditShares"])
                asks.append(self.ask(self.one("User", "u", n), action, self.one("List", "l", n)))
        return TINYTODO_SCHEMA, TINYTODO, found, asks

    def scoped(self, policies, requests):
        """`policies` of them, each for one user or group and one document or folder; as many users and documents as a real set has."""
        n = max(10, policies // 4)
        groups = max(4, n // 20)
        found = [entity("Group", f"g{i}", [ref("Group", f"g{self.rnd.randrange(i)}")] if i % 3 == 2 else []) for i in range(groups)]
        found += [entity("Folder", f"f{i}", [ref("Folder", f"f{self.rnd.randrange(i)}")] if i % 3 == 2 else []) for i in range(groups)]
        for i in range(n):
            found.append(entity("User", f"u{i}", [self.one("Group", "g", groups)], level=self.rnd.randrange(5)))
            found.append(entity("Doc", f"d{i}", [self.one("Folder", "f", groups)], level=self.rnd.randrange(5)))
        lines, triples = [], []
        for i in range(policies):
            single = self.rnd.random() < 0.7
            who = ("==", "User", f"u{self.rnd.randrange(n)}") if single else ("in", "Group", f"g{self.rnd.randrange(groups)}")
            what = ("==", "Doc", f"d{self.rnd.randrange(n)}") if single else ("in", "Folder", f"f{self.rnd.randrange(groups)}")
            action = self.rnd.choice(["read", "write", "remove"])
            lines.append(f'permit(principal {who[0]} {who[1]}::"{who[2]}",action == Action::"{action}",resource {what[0]} {what[1]}::"{what[2]}");')
            triples.append((who, what, action))
        lines.append('forbid(principal, action == Action::"remove", resource) unless { context.mfa || principal.level > resource.level };')
        asks = []
        for _ in range(requests):
            who, what, action = self.rnd.choice(triples)
            user = ref("User", who[2]) if who[1] == "User" and self.rnd.random() < 0.7 else self.one("User", "u", n)
            doc = ref("Doc", what[2]) if what[1] == "Doc" else self.one("Doc", "d", n)
            asks.append(self.ask(user, action, doc, {"mfa": True}))
        rules = [f"p, {who[2]}, {what[2]}, {action}" for who, what, action in triples]
        for e in found:
            table = "g" if e["uid"]["type"] in ("User", "Group") else "g2"
            rules += [f"{table}, {e['uid']['id']}, {p['id']}" for p in e["parents"]]
        return SCOPED_SCHEMA, "\n".join(lines), found, asks, rules


def write(folder, kind, n, requests=500, seed=1):
    made = getattr(Maker(seed), kind)(n, requests)
    os.makedirs(folder, exist_ok=True)
    texts = {"schema.cedarschema": made[0], "policies.cedar": made[1], "entities.json": json.dumps(made[2]), "requests.json": json.dumps(made[3])}
    if len(made) > 4:
        texts["policy.csv"] = "\n".join(made[4])
        texts["model.conf"] = MODEL
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
