// The generator of policy_diff.mjs. A case is a tree, so that it can be made smaller: an expression is {f, k}, a function that
// prints and its operands.

class Random {
  constructor(seed) { this.s = (seed * 2654435761 + 0x9e3779b9) >>> 0; for (let i = 0; i < 4; i++) this.next() }
  next() { // mulberry32
    this.s = (this.s + 0x6d2b79f5) >>> 0
    let t = this.s
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  below(n) { return Math.floor(this.next() * n) }
  maybe(p) { return this.next() < p }
  pick(list) { return list[this.below(list.length)] }
}

const TYPES = ['E0', 'E1', 'N::E2', 'R']
const ATTRS = ['a', 'b', 'c', 'owner', 'tags', 'when it', 'if', 'r']
const STRINGS = ['', 'a', 'b', 'abc', 'a*c', 'été', 'x"y', 'line\nfeed', '\u{1f600}', '\\', 'nul\0', '10.0.0.1']
const LONGS = ['0', '1', '2', '-1', '7', '4611686018427387904', '9223372036854775807', '-9223372036854775808']
const EXT = {
  decimal: ['0.0', '1.5', '-1.5', '922337203685477.5807', '-922337203685477.5808', '1.00000', '1.', 'x', '00.10'],
  ip: ['10.0.0.1', '10.0.0.0/8', '127.0.0.1', '224.0.0.1', '::1', 'ff00::/8', '2001:db8::1', '10.0.0.1/33', '1.2.3', '::ffff:10.0.0.1', '0.0.0.0/0'],
  datetime: ['2024-02-29', '2023-02-29', '1970-01-01', '2024-10-15T11:35:00Z', '2024-10-15T11:35:00.000+0100', '1969-12-31T23:59:59.999Z', 'now', '2024-10-15T24:00:00Z'],
  duration: ['1h', '-1d', '1d2h3m4s5ms', '0ms', '106751991167d', '106751991168d', '1m1h', '', '5', '-90m'],
}
const KIND = { decimal: 'decimal', ip: 'ipaddr', datetime: 'datetime', duration: 'duration' }

const SCRAPS = ['', '', ';', '"', '(', ')', '[', '}', ' in ', ' is ', ' has ', ' like ', '.', ',', '!', '!!', '-', '--', ' == ', ' = ', ' && ', '|', '9', '99999999999999999999', '::',
  ' principal ', '?principal', '__cedar', '@', '//', '\\', '\\u{41}', '*', '%', ' if ', ' then ', 'é', '\t', '.contains(1)', '["a"]', ' true ', '0', '\'']
const mangled = (text, m) => { const at = Math.floor(m.at * text.length); return text.slice(0, at) + m.add + text.slice(at + m.cut) }
const quote = s => '"' + [...s].map(c => c === '"' || c === '\\' ? '\\' + c : c === '\n' ? '\\n' : c === '\0' ? '\\0' : c.codePointAt(0) > 0x2fff ? `\\u{${c.codePointAt(0).toString(16)}}` : c).join('') + '"'
const uidText = u => `${u.type}::${quote(u.id)}`
const ident = a => /^[a-z]+$/.test(a) && a !== 'if'
const node = (f, ...k) => ({ f, k })
const leaf = text => node(() => text)
export const print = n => n.f(...n.k.map(print))

// ---- types: {t, of?, attrs?}
const basic = ['bool', 'long', 'string', 'decimal', 'ip', 'datetime', 'duration']
function someType(r, depth = 2) {
  const x = r.below(12)
  if (x < 6 || depth === 0) return { t: r.pick(basic) }
  if (x < 8) return { t: 'entity', of: r.pick(TYPES) }
  if (x < 10) return { t: 'set', of: someType(r, depth - 1) }
  return { t: 'record', attrs: someAttrs(r, depth - 1, 1 + r.below(3)) }
}
function someAttrs(r, depth, n) {
  const found = {}
  for (let i = 0; i < n; i++) found[r.pick(ATTRS)] = { type: someType(r, depth), required: r.maybe(0.6) }
  return found
}
const typeText = t => t.t === 'bool' ? 'Bool' : t.t === 'long' ? 'Long' : t.t === 'string' ? 'String' : t.t === 'entity' ? t.of
  : t.t === 'set' ? `Set<${typeText(t.of)}>` : t.t === 'record' ? attrsText(t.attrs) : KIND[t.t]
const attrsText = attrs => '{' + Object.entries(attrs).map(([k, a]) => `${quote(k)}${a.required ? '' : '?'}: ${typeText(a.type)}`).join(', ') + '}'

function makeSchema(r) {
  const s = { entities: {}, actions: {} }
  TYPES.forEach((name, i) => {
    s.entities[name] = { attrs: someAttrs(r, 2, r.below(4)), tags: r.maybe(0.4) ? someType(r, 1) : null, parents: TYPES.filter((_, k) => k >= i && r.maybe(0.6)) }
  })
  const groups = r.maybe(0.7) ? ['g0', 'g1'] : ['g0']
  groups.forEach((g, i) => { s.actions[g] = { group: true, in: i ? ['g0'] : [] } })
  for (const a of ['a0', 'a1', 'a2'])
    s.actions[a] = { in: groups.filter(() => r.maybe(0.5)), principals: TYPES.filter(() => r.maybe(0.6)), resources: TYPES.filter(() => r.maybe(0.6)), context: someAttrs(r, 2, r.below(4)) }
  for (const a of Object.values(s.actions)) if (!a.group) { if (!a.principals.length) a.principals = ['E0']; if (!a.resources.length) a.resources = ['R'] }
  return s
}
function schemaText(s) {
  const bare = n => n.replace('N::', '')
  const one = ([name, e]) => `entity ${bare(name)}${e.parents.length ? ` in [${e.parents.join(', ')}]` : ''} = ${attrsText(e.attrs)}${e.tags ? ` tags ${typeText(e.tags)}` : ''};`
  const all = Object.entries(s.entities)
  const actions = Object.entries(s.actions).map(([name, a]) => `action ${name}${a.in.length ? ` in [${a.in.join(', ')}]` : ''}`
    + (a.group ? ';' : ` appliesTo { principal: [${a.principals.join(', ')}], resource: [${a.resources.join(', ')}], context: ${attrsText(a.context)} };`))
  return [...all.filter(([n]) => !n.includes('::')).map(one), 'namespace N {', ...all.filter(([n]) => n.includes('::')).map(one), '}', ...actions].join('\n')
}

// ---- values as Cedar's JSON
const someUid = (r, type) => ({ type: type ?? r.pick(TYPES), id: r.pick(['x', 'y', 'z', 'é"']) })
function value(r, t) {
  switch (t.t) {
    case 'bool': return r.maybe(0.5)
    case 'long': return r.pick([0, 1, 2, -1, 7])
    case 'string': return r.pick(STRINGS)
    case 'entity': return { __entity: someUid(r, t.of) }
    case 'set': return Array.from({ length: r.below(4) }, () => value(r, t.of))
    case 'record': return record(r, t.attrs)
    default: return { __extn: { fn: t.t, arg: valid(r, t.t) } }
  }
}
const VALID = { decimal: [0, 1, 2, 3], ip: [0, 1, 2, 3, 4, 5, 6], datetime: [0, 2, 3, 4, 5], duration: [0, 1, 2, 3, 4] }
const valid = (r, t) => EXT[t][r.pick(VALID[t])]
const record = (r, attrs) => Object.fromEntries(Object.entries(attrs).filter(([, a]) => a.required || r.maybe(0.5)).map(([k, a]) => [k, value(r, a.type)]))

function makeEntities(r, schema) {
  const found = []
  TYPES.forEach((type, i) => ['x', 'y', 'z', 'é"'].forEach((id, n) => {
    if (r.maybe(0.25)) return
    const e = schema.entities[type], parents = []
    for (const up of e.parents) // to a later type, or a later one of the same: no ring
      for (let k = 0; k < 4; k++) if ((TYPES.indexOf(up) > i || k > n) && r.maybe(0.3)) parents.push({ type: up, id: ['x', 'y', 'z', 'é"'][k] })
    const made = { uid: { type, id }, attrs: record(r, e.attrs), parents }
    if (e.tags && r.maybe(0.7)) made.tags = Object.fromEntries(['a', 'b', ''].filter(() => r.maybe(0.5)).map(k => [k, value(r, e.tags)]))
    found.push(made)
  }))
  return found
}

// ---- expressions of a wanted type; sometimes of another
class Gen {
  constructor(r, schema) { this.r = r; this.schema = schema; this.vars = null }

  expr(t, depth) {
    const r = this.r
    if (r.maybe(0.04)) t = someType(r, 1)
    if (depth > 0 && r.maybe(0.08)) return node((a, b, c) => `(if ${a} then ${b} else ${c})`, this.bool(depth - 1), this.expr(t, depth - 1), this.expr(t, depth - 1))
    if (r.maybe(0.35)) { const found = this.path(t); if (found) return found }
    if (r.maybe(0.1)) { const found = this.tag(t, depth); if (found) return found }
    switch (t.t) {
      case 'bool': return this.bool(depth)
      case 'long': return this.long(depth)
      case 'string': return leaf(quote(r.pick(STRINGS)))
      case 'entity': return r.maybe(0.4) ? leaf(r.pick(['principal', 'resource', 'action'])) : leaf(uidText(someUid(r, t.of)))
      case 'set': return this.list(t.of, depth)
      case 'record': return this.rec(t, depth)
      default: return this.ext(t.t, depth)
    }
  }

  // An attribute path of that type from a variable, as the schema has it.
  path(t) {
    const found = []
    const walk = (text, attrs, depth) => {
      for (const [k, a] of Object.entries(attrs)) {
        const here = text + (ident(k) && this.r.maybe(0.8) ? '.' + k : `[${quote(k)}]`)
        if (a.type.t === t.t && (t.t !== 'entity' || a.type.of === t.of)) found.push(here)
        if (depth && a.type.t === 'record') walk(here, a.type.attrs, depth - 1)
        if (depth && a.type.t === 'entity') walk(here, this.schema.entities[a.type.of].attrs, depth - 1)
      }
    }
    walk('principal', this.schema.entities[this.vars.principal].attrs, 2)
    walk('resource', this.schema.entities[this.vars.resource].attrs, 2)
    walk('context', this.schema.actions[this.vars.action].context ?? {}, 2)
    return found.length ? leaf(this.r.pick(found)) : null
  }

  tag(t, depth) {
    const types = TYPES.filter(n => this.schema.entities[n].tags?.t === t.t)
    if (!types.length) return null
    return node((e, k) => `${e}.getTag(${k})`, this.expr({ t: 'entity', of: this.r.pick(types) }, depth - 1), this.key())
  }

  key() { return leaf(quote(this.r.pick(['a', 'b', '', 'q']))) }
  list(of, depth) {
    const n = depth > 0 ? this.r.below(4) : this.r.below(2)
    return node((...k) => `[${k.join(', ')}]`, ...Array.from({ length: n }, () => this.expr(of, depth - 1)))
  }
  rec(t, depth) {
    const keys = Object.keys(t.attrs)
    return node((...k) => `{${keys.map((name, i) => `${quote(name)}: ${k[i]}`).join(', ')}}`, ...keys.map(k => this.expr(t.attrs[k].type, depth - 1)))
  }
  ext(t, depth) {
    const r = this.r, x = depth > 0 ? r.below(6) : 0
    const sub = k => this.expr({ t: k }, depth - 1)
    if (t === 'datetime' && x === 1) return node((a, b) => `${a}.offset(${b})`, sub('datetime'), sub('duration'))
    if (t === 'datetime' && x === 2) return node(a => `${a}.toDate()`, sub('datetime'))
    if (t === 'duration' && x === 1) return node((a, b) => `${a}.durationSince(${b})`, sub('datetime'), sub('datetime'))
    if (t === 'duration' && x === 2) return node(a => `${a}.toTime()`, sub('datetime'))
    return leaf(`${t}(${quote(r.maybe(0.85) ? valid(r, t) : r.pick(EXT[t]))})`)
  }
  long(depth) {
    const r = this.r, x = depth > 0 ? r.below(8) : 0
    const sub = () => this.expr({ t: 'long' }, depth - 1)
    if (x === 1) return node((a, b) => `(${a} + ${b})`, sub(), sub())
    if (x === 2) return node((a, b) => `(${a} - ${b})`, sub(), sub())
    if (x === 3) return node((a, b) => `(${a} * ${b})`, sub(), sub())
    if (x === 4) return node(a => `-(${a})`, sub())
    const unit = r.pick(['toDays', 'toHours', 'toMinutes', 'toSeconds', 'toMilliseconds'])
    if (x === 5) return node(a => `${a}.${unit}()`, this.expr({ t: 'duration' }, depth - 1))
    const text = r.pick(LONGS.slice(0, r.maybe(0.8) ? 5 : LONGS.length))
    return leaf(text.startsWith('-') ? `(${text})` : text)
  }

  bool(depth) {
    const r = this.r
    if (depth <= 0) return r.maybe(0.5) ? leaf(r.pick(['true', 'false'])) : this.path({ t: 'bool' }) ?? leaf('true')
    const sub = t => this.expr(t, depth - 1), b = () => this.bool(depth - 1)
    const forms = [
      () => node((x, y) => `(${x} && ${y})`, b(), b()),
      () => node((x, y) => `(${x} || ${y})`, b(), b()),
      () => node(x => `!(${x})`, b()),
      () => { const t = someType(r, 1); const op = r.maybe(0.6) ? '==' : '!='; return node((x, y) => `(${x} ${op} ${y})`, sub(t), sub(t)) },
      () => { const t = { t: r.pick(['long', 'long', 'datetime', 'duration']) }; const op = r.pick(['<', '<=', '>', '>=']); return node((x, y) => `(${x} ${op} ${y})`, sub(t), sub(t)) },
      () => node((x, y) => `(${x} in ${y})`, sub({ t: 'entity', of: r.pick(TYPES) }), sub({ t: 'entity', of: r.pick(TYPES) })),
      () => node((x, y) => `(${x} in ${y})`, leaf(r.pick(['principal', 'resource', 'action'])), this.list({ t: 'entity', of: r.pick(TYPES) }, depth)),
      () => leaf(`(action in ${r.maybe(0.5) ? this.action() : `[${this.action()}, ${this.action()}]`})`),
      () => { const t = r.pick(TYPES); return node(x => `(${x} is ${t})`, sub({ t: 'entity', of: r.pick(TYPES) })) },
      () => { const t = r.pick(TYPES); return node((x, y) => `(${x} is ${t} in ${y})`, leaf(r.pick(['principal', 'resource'])), sub({ t: 'entity', of: r.pick(TYPES) })) },
      () => { const a = r.pick(ATTRS); return node(x => `(${x} has ${ident(a) ? a : quote(a)})`, r.maybe(0.7) ? leaf(r.pick(['principal', 'resource', 'context'])) : sub({ t: 'record', attrs: {} })) },
      () => leaf(`(${r.pick(['principal', 'resource', 'context'])} has ${r.pick(['a', 'b', 'r', 'owner'])}.${r.pick(['a', 'b', 'c'])})`),
      () => { const p = r.pick(['*', 'a*', '*c', 'a\\*c', '*b*', '', 'é*', 'x\\"*', '**', 'a*b*c', '\\0*']); return node(x => `(${x} like "${p}")`, sub({ t: 'string' })) },
      () => { const t = someType(r, 1); return node((x, y) => `${x}.contains(${y})`, sub({ t: 'set', of: t }), sub(t)) },
      () => { const t = { t: 'set', of: someType(r, 1) }, m = r.pick(['containsAll', 'containsAny']); return node((x, y) => `${x}.${m}(${y})`, sub(t), sub(t)) },
      () => node(x => `${x}.isEmpty()`, sub({ t: 'set', of: someType(r, 0) })),
      () => node((e, k) => `${e}.hasTag(${k})`, sub({ t: 'entity', of: r.pick(TYPES) }), this.key()),
      () => { const m = r.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']); return node((x, y) => `${x}.${m}(${y})`, sub({ t: 'decimal' }), sub({ t: 'decimal' })) },
      () => { const m = r.pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast']); return node(x => `${x}.${m}()`, sub({ t: 'ip' })) },
      () => node((x, y) => `${x}.isInRange(${y})`, sub({ t: 'ip' }), sub({ t: 'ip' })),
      () => b(),
    ]
    return r.pick(forms)()
  }

  action() { return `Action::${quote(this.r.pick(Object.keys(this.schema.actions)))}` }
  scope(name) {
    const r = this.r, u = uidText(someUid(r, r.maybe(0.7) ? this.vars[name] : undefined))
    const t = r.maybe(0.7) ? this.vars[name] : r.pick(TYPES)
    return r.pick([name, name, name, name, `${name} == ${u}`, `${name} in ${u}`, `${name} is ${t}`, `${name} is ${t} in ${u}`])
  }
  policy() {
    const r = this.r
    this.vars = { principal: r.pick(TYPES), resource: r.pick(TYPES), action: r.pick(['a0', 'a1', 'a2']) }
    if (r.maybe(0.8)) Object.assign(this.vars, this.liked)
    const action = r.pick(['action', 'action', 'action', `action == Action::"${this.vars.action}"`, `action in ${this.action()}`, `action in [${this.action()}, ${this.action()}]`, 'action in []'])
    const conds = Array.from({ length: r.pick([0, 1, 1, 1, 2, 3]) }, () => ({ unless: r.maybe(0.3), e: this.bool(1 + r.below(4)) }))
    const note = r.maybe(0.1) ? `@note(${quote(r.pick(STRINGS))}) ` : ''
    return { forbid: r.maybe(0.3), head: `(${this.scope('principal')}, ${action}, ${this.scope('resource')})`, conds, note }
  }
}

const policyText = p => `${p.note}${p.forbid ? 'forbid' : 'permit'} ${p.head}${p.conds.map(c => ` ${c.unless ? 'unless' : 'when'} { ${print(c.e)} }`).join('')};`

export function makeCase(seed) {
  const r = new Random(seed), schema = makeSchema(r), g = new Gen(r, schema)
  const action = r.pick(['a0', 'a1', 'a2'])
  g.liked = { action, principal: r.pick(schema.actions[action].principals), resource: r.pick(schema.actions[action].resources) }
  const policies = Array.from({ length: 1 + r.below(6) }, () => g.policy())
  const requests = Array.from({ length: 5 }, () => {
    const a = r.maybe(0.7) ? action : r.pick(['a0', 'a1', 'a2']), s = schema.actions[a]
    return { principal: someUid(r, r.pick(s.principals)), action: { type: 'Action', id: a }, resource: someUid(r, r.pick(s.resources)), context: record(r, s.context) }
  })
  // Some texts are damaged: both must then take them, and as the same, or both refuse.
  const mangle = r.maybe(0.12) ? { at: r.next(), cut: r.below(4), add: r.pick(SCRAPS) } : null
  return { schema, withSchema: r.maybe(0.5), policies, entities: makeEntities(r, schema), requests, mangle, json: !mangle && r.maybe(0.3) }
}

// Some sets are given to phi as Cedar writes them in JSON; and a policy that names its principal or resource may stand as a template and
// its link. Numbers that JavaScript cannot hold stay in text.
function linked(c) {
  const texts = c.policies.map(policyText)
  if (!c.json || c.mangle || texts.some(t => /[0-9]{16}/.test(t))) return {}
  const set = { staticPolicies: {}, templates: {}, templateLinks: [] }
  c.policies.forEach((p, i) => {
    const slot = p.head.match(/(principal|resource)( is [A-Za-z0-9:]+)? (==|in) ((?:N::)?[ER][0-9]?)::"((?:[^"\\]|\\")*)"/)
    if (!slot || slot[3] === 'in' && /action in/.test(slot[0])) { set.staticPolicies[`policy${i}`] = texts[i]; return }
    const head = p.head.replace(slot[0], `${slot[1]}${slot[2] ?? ''} ${slot[3]} ?${slot[1]}`)
    set.templates[`template${i}`] = policyText({ ...p, head })
    set.templateLinks.push({ templateId: `template${i}`, newId: `policy${i}`, values: { [`?${slot[1]}`]: { type: slot[4], id: slot[5].replace(/\\"/g, '"') } } })
  })
  return { set }
}

export function toQuestion(c) {
  const entities = [...c.entities]
  if (!c.withSchema) // else the schema gives the actions
    for (const [id, a] of Object.entries(c.schema.actions)) entities.push({ uid: { type: 'Action', id }, attrs: {}, parents: a.in.map(g => ({ type: 'Action', id: g })) })
  const texts = c.policies.map(policyText).join('\n')
  return { schema: c.withSchema ? schemaText(c.schema) : null, policies: c.mangle ? mangled(texts, c.mangle) : texts, entities, requests: c.requests, ...linked(c) }
}

// ---- smaller cases, the most that can go first
const without = (list, i) => [...list.slice(0, i), ...list.slice(i + 1)]
const at = (list, i, v) => [...list.slice(0, i), v, ...list.slice(i + 1)]
function* smallerExprs(e) {
  if (e.k.length || print(e).length > 5) { yield leaf('true'); yield leaf('1') }
  yield* e.k
  for (let i = 0; i < e.k.length; i++) for (const s of smallerExprs(e.k[i])) yield { f: e.f, k: at(e.k, i, s) }
}
function* smallerPolicies(p) {
  if (p.note) yield { ...p, note: '' }
  if (p.head !== '(principal, action, resource)') yield { ...p, head: '(principal, action, resource)' }
  for (let i = 0; i < p.conds.length; i++) yield { ...p, conds: without(p.conds, i) }
  for (let i = 0; i < p.conds.length; i++) for (const e of smallerExprs(p.conds[i].e)) yield { ...p, conds: at(p.conds, i, { ...p.conds[i], e }) }
}
export function* shrinks(c) {
  for (let i = 0; i < c.requests.length && c.requests.length > 1; i++) yield { ...c, requests: without(c.requests, i) }
  for (let i = 0; i < c.policies.length && c.policies.length > 1; i++) yield { ...c, policies: without(c.policies, i) }
  for (let i = 0; i < c.entities.length; i++) yield { ...c, entities: without(c.entities, i) }
  if (c.mangle) yield { ...c, mangle: null }
  if (c.withSchema) yield { ...c, withSchema: false }
  for (let i = 0; i < c.policies.length; i++) for (const p of smallerPolicies(c.policies[i])) yield { ...c, policies: at(c.policies, i, p) }
  for (let i = 0; i < c.entities.length; i++) if (c.entities[i].parents.length) yield { ...c, entities: at(c.entities, i, { ...c.entities[i], parents: [] }) }
}
