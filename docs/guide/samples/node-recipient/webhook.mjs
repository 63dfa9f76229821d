// An agency that receives letters by HTTPS: node webhook.mjs
// Behind the agency's own proxy, which ends TLS. What Tra signed is put on disk, then answered
// with 204, then handled like a message of a queue: again and again until it is done.
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { recipient as agency, setting } from "./settings.mjs";

const OLDEST = 300; // seconds: what is older is not Tra's own sending
const LARGEST = 256 * 1024; // bytes
const AGAIN = 30_000; // milliseconds

const ownUrl = setting("WEBHOOK_URL"); // as in the directory: signatures name it
const spool = setting("SPOOL", "spool");
const recipient = await agency();
mkdirSync(spool, { recursive: true, mode: 0o700 });

const server = createServer(async (request, response) => {
  const status = await received(request).catch((error) => {
    console.error(JSON.stringify({ did: "not received", why: error.message }));
    return 503; // Tra sends it again
  });
  response.writeHead(status).end();
  if (status === 204) handleAll();
});
server.listen(Number(setting("PORT", "8080")), setting("HOST", "127.0.0.1"), () => {
  console.log(JSON.stringify({ did: "listening", port: server.address().port }));
  handleAll();
});
setInterval(handleAll, AGAIN);

async function received(request) {
  const enteredAt = new Date();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > LARGEST) return 413;
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  const said = await recipient.tra.webhook(request.headers["tra-signature"] ?? "", text);
  const fresh = said && Math.abs(enteredAt / 1000 - said.iat) < OLDEST;
  if (!fresh || said.aud !== ownUrl || said.jti !== idOf(text)) return 401;
  keep(said.jti, { enteredAt, text });
  return 204;
}

const idOf = (text) => {
  try {
    return JSON.parse(text).id;
  } catch {
    return undefined;
  }
};

/** On disk when this returns. What waits here already keeps the time when it first came. */
function keep(id, arrival) {
  const name = `${createHash("sha256").update(id).digest("hex")}.json`;
  if (readdirSync(spool).includes(name)) return;
  const half = join(spool, `${name}.half`);
  writeFileSync(half, JSON.stringify(arrival), { mode: 0o600, flush: true });
  renameSync(half, join(spool, name));
  const folder = openSync(spool, "r");
  fsyncSync(folder);
  closeSync(folder);
}

let handling = Promise.resolve();

/** One after another: numbers are given in order. */
function handleAll() {
  handling = handling.then(async () => {
    for (const name of readdirSync(spool).filter((name) => name.endsWith(".json")))
      await handle(join(spool, name));
  });
}

async function handle(path) {
  try {
    const { enteredAt, text } = JSON.parse(readFileSync(path, "utf8"));
    console.log(JSON.stringify(await recipient.take(text, new Date(enteredAt))));
    rmSync(path);
  } catch (error) {
    console.error(JSON.stringify({ did: "nothing yet", why: error.message }));
  }
}
