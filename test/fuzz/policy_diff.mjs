// Random schemas, policy sets, entities and requests, asked of phi's two evaluators and of cedar-wasm: decision, reasons and errors
// must be the same. What differs is made small and kept in test/fuzz/policy_diff/, which every run replays first.
//   node policy_diff.mjs --program BUILD/test/fuzz/policy-diff [--cases N | --seconds S] [--seed N]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { makeCase, shrinks, toQuestion } from './policy_gen.mjs'

// Node 20 aborts ("unreachable code" in V8's deoptimizer) where a call into WebAssembly was inlined.
setFlagsFromString('--no-turbo-inline-js-wasm-calls')

const here = dirname(fileURLToPath(import.meta.url))
const cedar = createRequire(join(here, '../node/package.json'))('@cedar-policy/cedar-wasm/nodejs')
const kept = join(here, 'policy_diff')
const opts = { cases: '20000', seed: '1', seconds: '', program: '' }
for (let i = 2; i + 1 < process.argv.length; i += 2) opts[process.argv[i].replace(/^--/, '')] = process.argv[i + 1]

// ---- phi: one line in, one line out
const child = spawn(opts.program, [], { stdio: ['pipe', 'pipe', 'inherit'] })
const waiting = []
let gone = null
createInterface({ input: child.stdout }).on('line', line => waiting.shift()?.(JSON.parse(line)))
child.on('exit', code => { gone = code; for (const f of waiting.splice(0)) f({ error: `the program ended with ${code}`, crash: true }) })
const jsonOf = (table, write) => Object.fromEntries(Object.entries(table).map(([id, text]) => {
  const made = write(text)
  if (made.type !== 'success') throw new Error(`${sayErrors(made.errors)} in ${text}`)
  return [id, made.json]
}))
const inJson = set => ({ staticPolicies: jsonOf(set.staticPolicies, cedar.policyToJson), templates: jsonOf(set.templates, cedar.templateToJson), templateLinks: set.templateLinks })
const askPhi = q => new Promise(done => {
  if (gone !== null) return done({ error: `the program ended with ${gone}`, crash: true })
  waiting.push(done)
  child.stdin.write(JSON.stringify(q.set ? { ...q, set: inJson(q.set) } : q) + '\n')
})

// ---- Cedar
const sayErrors = list => list.map(e => e.message).join('; ').slice(0, 300)
function askCedar(q) {
  const set = cedar.preparsePolicySet('p', q.set ?? { staticPolicies: q.policies })
  if (set.type !== 'success') return { error: sayErrors(set.errors) }
  if (q.schema) {
    const s = cedar.preparseSchema('s', q.schema)
    if (s.type !== 'success') return { error: sayErrors(s.errors) }
  }
  const answers = []
  for (const r of q.requests) {
    const call = { ...r, preparsedPolicySetId: 'p', entities: q.entities, validateRequest: false }
    if (q.schema) call.preparsedSchemaName = 's'
    const a = cedar.statefulIsAuthorized(call)
    if (a.type !== 'success') { answers.push({ error: sayErrors(a.errors) }); continue }
    const d = a.response.diagnostics
    answers.push({ allow: a.response.decision === 'allow', reason: d.reason, errors: d.errors.map(e => e.policyId) })
  }
  return answers.every(a => a.error) ? { error: answers[0].error } : { answers }
}

const key = list => [...list].sort().join(' ')
function sameAnswer(ours, theirs, forbids) {
  if (!!ours.error !== !!theirs.error) return false
  if (ours.error) return true
  const forbidFailed = ours.errors.some(id => forbids.includes(id))
  // phi's own answer differs from Cedar's only where a forbid errored, and then it denies.
  if (ours.strict !== (ours.allow && !forbidFailed)) return false
  return ours.allow === theirs.allow && key(ours.reason) === key(theirs.reason) && key(ours.errors) === key(theirs.errors)
}

function same(ours, theirs) {
  if (ours.crash || /evaluators disagree/.test(JSON.stringify(ours))) return false
  if (ours.error || theirs.error) return !!ours.error === !!theirs.error
  return ours.answers.every((a, i) => sameAnswer(a, theirs.answers[i], ours.forbids))
}

async function differs(q) {
  const ours = await askPhi(q), theirs = askCedar(q)
  return same(ours, theirs) ? null : { ours, theirs }
}

// ---- made small: whatever may go goes, as long as they still differ
async function minimise(c) {
  let budget = 600
  for (let again = true; again && budget > 0;) {
    again = false
    for (const smaller of shrinks(c)) {
      if (budget-- <= 0) break
      if (!(await differs(toQuestion(smaller)))) continue
      c = smaller
      again = true
      break
    }
  }
  return toQuestion(c)
}

function keep(q, found) {
  mkdirSync(kept, { recursive: true })
  const name = join(kept, createHash('sha256').update(JSON.stringify(q)).digest('hex').slice(0, 12) + '.json')
  writeFileSync(name, JSON.stringify(q, null, 1) + '\n')
  console.log(`DIFFERS, kept as ${name}\n${q.schema ?? '(no schema)'}\n${q.policies}\n  phi:   ${JSON.stringify(found.ours)}\n  Cedar: ${JSON.stringify(found.theirs)}`)
}

let failed = 0, replayed = 0
for (const name of existsSync(kept) ? readdirSync(kept).filter(n => n.endsWith('.json')).sort() : []) {
  const q = JSON.parse(readFileSync(join(kept, name), 'utf8'))
  const found = await differs(q)
  replayed++
  if (!found) continue
  failed++
  console.log(`${name} differs\n  phi:   ${JSON.stringify(found.ours)}\n  Cedar: ${JSON.stringify(found.theirs)}`)
}

const tally = { cases: 0, allow: 0, erring: 0, refused: 0, sets: 0, json: 0 }
const started = Date.now()
const more = () => opts.seconds ? Date.now() - started < Number(opts.seconds) * 1000 : tally.cases < Number(opts.cases)
for (let seed = Number(opts.seed); more() && failed < 5; seed++) {
  const c = makeCase(seed), q = toQuestion(c)
  const asked = askPhi(q), theirs = askCedar(q), ours = await asked
  tally.sets++
  tally.cases += q.requests.length
  for (const a of theirs.answers ?? []) { tally.allow += a.allow ? 1 : 0; tally.erring += a.errors?.length ? 1 : 0 }
  if (theirs.error) tally.refused++
  if (q.set) tally.json++
  if (same(ours, theirs)) continue
  failed++
  console.log(`seed ${seed}`)
  const small = ours.crash ? q : await minimise(c)
  keep(small, (ours.crash ? null : await differs(small)) ?? { ours, theirs })
  if (gone !== null) break
}
const seconds = ((Date.now() - started) / 1000).toFixed(1)
console.log(`${tally.cases} cases of ${tally.sets} policy sets in ${seconds} s: ${tally.allow} allowed, ${tally.erring} with errors, ${tally.refused} sets refused by both, ${tally.json} sets as JSON with templates; ${replayed} kept ones replayed`)
child.stdin.end()
// A generator that never allows, or never errs, would test nothing.
const thin = tally.cases >= 1000 && (tally.allow * 20 < tally.cases || tally.erring * 20 < tally.cases || tally.refused * 4 > tally.sets)
if (thin) console.log('the generator has gone thin: too few allowed, erring or accepted cases')
process.exitCode = failed || thin ? 1 : 0
