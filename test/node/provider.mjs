// An OpenID Connect provider for tests: oidc-provider on a loopback port, with a sign-in page of one field, accounts that the test
// changes while it runs, and a desk that signs any claims with the provider's key (POST /mint: for tokens of workloads).
//   node provider.mjs PORT REDIRECT_URI SEED [ISSUER KEY CERT ADDRESS]      prints "ready"; another SEED has other keys;
//                                                                           with an issuer it speaks HTTPS there
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';

const [port, redirect, seed, own, key, cert, address = '127.0.0.1'] = process.argv.slice(2);
const issuer = own ?? `http://127.0.0.1:${port}`;
const accounts = new Map();

// The same seed gives the same Ed25519 key; RSA is made anew, its id says so.
const raw = crypto.createHash('sha256').update(`phi test ${seed}`).digest();
const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), raw]);
const ed = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const jwks = { keys: [
  { ...rsa.export({ format: 'jwk' }), kid: `rsa-${seed}`, alg: 'RS256', use: 'sig' },
  { ...ed.export({ format: 'jwk' }), kid: `ed-${seed}`, alg: 'EdDSA', use: 'sig' },
  { ...ec.export({ format: 'jwk' }), kid: `ec-${seed}`, alg: 'ES256', use: 'sig' },
] };

const provider = new Provider(issuer, {
  clients: [{ client_id: 'phi', client_secret: 'a-secret&of%the=client', redirect_uris: [redirect], id_token_signed_response_alg: 'RS256' }],
  jwks,
  cookies: { keys: ['test'] },
  conformIdTokenClaims: false,
  claims: { openid: ['sub', 'preferred_username', 'email', 'email_verified', 'groups'], acr: null, amr: null, auth_time: null, iss: null },
  features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
  pkce: { required: () => true },
  interactions: { url: (ctx, i) => `/interaction/${i.uid}` },
  async findAccount(ctx, id) {
    // `info`: what only the userinfo endpoint says
    return { accountId: id, claims: (use) => ({ sub: id, preferred_username: id, ...accounts.get(id)?.claims, ...(use === 'userinfo' ? accounts.get(id)?.info : {}) }) };
  },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
  renderError(ctx, out) { ctx.body = JSON.stringify(out); },
});

async function body(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}

function mint({ claims, alg = 'RS256', kid, header = {}, key = 'own' }) {
  const head = { alg, kid: kid ?? `${{ EdDSA: 'ed', ES256: 'ec' }[alg] ?? 'rsa'}-${seed}`, typ: 'JWT', ...header };
  const text = [head, claims].map((x) => Buffer.from(JSON.stringify(x)).toString('base64url')).join('.');
  const stranger = key === 'stranger' ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : null;
  let sig = Buffer.alloc(0);
  if (alg === 'HS256') sig = crypto.createHmac('sha256', crypto.createPublicKey(rsa).export({ format: 'pem', type: 'spki' })).update(text).digest();
  else if (alg === 'EdDSA') sig = crypto.sign(null, Buffer.from(text), ed);
  else if (alg === 'ES256') sig = crypto.sign('sha256', Buffer.from(text), { key: ec, dsaEncoding: 'ieee-p1363' });
  else if (alg !== 'none') sig = crypto.sign('sha256', Buffer.from(text), stranger ?? rsa);
  return `${text}.${sig.toString('base64url')}`;
}

async function interaction(req, res) {
  await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    return res.end('<!doctype html><title>Provider</title><form method="post"><label>Account <input name="login" autofocus></label> <button>Continue</button></form>');
  }
  const login = new URLSearchParams(await body(req)).get('login');
  return provider.interactionFinished(req, res, { login: { accountId: login, ...accounts.get(login)?.login } }, { mergeWithLastSubmission: false });
}

const callback = provider.callback();
async function serve(req, res) {
  try {
    if (req.url === '/accounts') {
      for (const [id, account] of Object.entries(JSON.parse(await body(req)))) accounts.set(id, account);
      return res.end('{}');
    }
    if (req.url === '/mint') return res.end(mint(JSON.parse(await body(req))));
    if (req.url.startsWith('/interaction/')) return await interaction(req, res);
    return callback(req, res);
  } catch (e) {
    res.statusCode = 500;
    return res.end(String(e));
  }
}
const server = key ? https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, serve) : http.createServer(serve);
server.listen(Number(port), address, () => console.log('ready'));
