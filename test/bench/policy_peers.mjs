// One workload of bench policy in another engine of npm's: node policy_peers.mjs NODE_MODULES ENGINE DIR SECONDS. One line of JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { join } from 'node:path'

// Node 20 aborts ("unreachable code" in V8's deoptimizer) where a call into WebAssembly was inlined.
setFlagsFromString('--no-turbo-inline-js-wasm-calls')

const [modules, engine, dir, seconds] = process.argv.slice(2)
const load = createRequire(join(modules, 'package.json'))
const read = name => readFileSync(join(dir, name), 'utf8')
const requests = JSON.parse(read('requests.json'))

// Policies and schema are parsed before; entities are given with each call, as this package's interface has it.
function cedarWasm() {
  const cedar = load('@cedar-policy/cedar-wasm/nodejs')
  const must = answer => { if (answer.type !== 'success') throw new Error(JSON.stringify(answer).slice(0, 500)); return answer }
  must(cedar.preparsePolicySet('p', { staticPolicies: read('policies.cedar') }))
  must(cedar.preparseSchema('s', read('schema.cedarschema')))
  const entities = JSON.parse(read('entities.json'))
  return r => must(cedar.statefulIsAuthorized({ ...r, preparsedPolicySetId: 'p', preparsedSchemaName: 's', validateRequest: false, entities })).response.decision === 'allow'
}

async function casbin() {
  const { newEnforcer } = load('casbin')
  const e = await newEnforcer(join(dir, 'model.conf'), join(dir, 'policy.csv'))
  return r => e.enforceSync(r.principal.id, r.resource.id, r.action.id)
}

const started = process.hrtime.bigint()
const decide = await (engine === 'casbin' ? casbin() : cedarWasm())
const load_ms = Number(process.hrtime.bigint() - started) / 1e6
// The first calls compile: up to 2 s of them are not timed, and they do not show how long a call takes.
for (let i = 0, end = process.hrtime.bigint() + 2_000_000_000n; i < 1000 && process.hrtime.bigint() < end; i++) decide(requests[i % requests.length])
const times = []
let answers = ''
const until = process.hrtime.bigint() + BigInt(Math.round(Number(seconds) * 1e9))
for (let i = 0, now = process.hrtime.bigint(); (now < until || times.length < 10) && times.length < 1e6; i = (i + 1) % requests.length) {
  const from = process.hrtime.bigint()
  const allow = decide(requests[i])
  now = process.hrtime.bigint()
  times.push(Number(now - from))
  if (times.length <= requests.length) answers += allow ? 'A' : 'D'
}
times.sort((a, b) => a - b)
const at = q => times[Math.floor((times.length - 1) * q)]
console.log(JSON.stringify({ load_ms, explain: { median: at(0.5), p99: at(0.99), n: times.length }, answers }))
