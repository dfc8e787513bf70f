// node-postgres in its default mode: each statement on its own.
const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");

const { Client } = createRequire(path.join(__dirname, "../../node/package.json"))("pg");
let client, url, running, prepared;

const text = (sql) => sql.replace("%s", "$1");
const shape = (r) => ({ rows: r.rows.map((row) => Object.values(row).map((v) => (v === null ? null : String(v)))), count: r.rowcount ?? r.rowCount ?? -1 });
const run = async ({ sql, params = [] }) => shape(await client.query(text(sql), params));

const ops = {
  async open(a) {
    url = a.url;
    client = new Client({ connectionString: a.url, options: a.hold ? `-c phi.hold=${a.hold}` : undefined });
    client.on("error", () => {}); // a broken connection shows in the call that runs
    await client.connect();
  },
  run,
  step: run,
  async start(a) {
    running = run(a).catch(failure);
  },
  async join() {
    return running;
  },
  // node-postgres cancels by a second connection that sends CancelRequest
  async cancel() {
    const other = new Client({ connectionString: url });
    const done = new Promise((resolve) => other.connection.stream.once("close", resolve));
    other.connection.connect(other.port, other.host);
    other.connection.on("connect", () => other.connection.cancel(client.processID, client.secretKey));
    await done;
  },
  async begin() {
    await client.query("BEGIN");
  },
  async rollback() {
    await client.query("ROLLBACK");
  },
  async prepare({ sql }) {
    prepared = text(sql);
  },
  async execute({ params = [] }) {
    return shape(await client.query({ name: "prepared", text: prepared, values: params }));
  },
  // node-postgres sends one statement at a time; asking all before awaiting any is its pipelining
  async batch({ list }) {
    const all = await Promise.all(list.map(([sql, params]) => client.query(text(sql), params)));
    return { counts: all.map((r) => r.rowCount) };
  },
  async close() {
    await client.end();
  },
};

function failure(e) {
  return { error: { code: e.code ?? "", message: e.message } };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...args } = JSON.parse(line);
    const answer = await ops[op](args).catch(failure);
    process.stdout.write(JSON.stringify(answer ?? {}) + "\n");
  }
})();
