// The sample held against a Tra of a few lines: npm test
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CompactSign, compactVerify, exportJWK, generateKeyPair } from "jose";
import { Journal } from "./journal.mjs";
import { Recipient } from "./letters.mjs";
import { Tra } from "./tra.mjs";

const FILE = Buffer.from("%PDF- a sealed letter");
const ENTERED = new Date("2026-06-01T03:00:00.000Z");
const folder = mkdtempSync(join(tmpdir(), "tra-recipient-"));
const house = { refuses: {}, down: false, file: FILE, indication: "TOTAL-PASSED", asked: [] };
let traKey, key, server, url;

before(async () => {
  [traKey, key] = [await newKey("tra"), await newKey("dga-1")];
  server = createServer((request, response) => house.answer(request, response));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

async function newKey(kid) {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256" };
}
const open = ({ d, ...rest }) => rest;

house.answer = async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  const say = (status, value, headers = {}) =>
    response.writeHead(status, headers).end(Buffer.isBuffer(value) ? value : JSON.stringify(value));
  if (request.url.includes("/inbox/")) {
    house.asked.push({ path: request.url, ...JSON.parse(body) });
    const [, , , id] = request.url.split("/");
    if (house.down) return say(503, { code: "unavailable" });
    const reason = house.refuses[id];
    return reason ? say(409, { code: "answer_refused", reason }) : say(200, {});
  }
  if (request.url === "/v1/verify")
    return say(200, { indication: house.indication, register_answer: "match" });
  if (request.url.endsWith("/file")) {
    assert.equal(request.headers.authorization, "Bearer a token");
    return say(303, {}, { Location: `${url}/archive` });
  }
  if (request.url === "/archive") {
    assert.equal(request.headers.authorization, undefined, "the archive gets no token");
    return say(200, house.file);
  }
  if (request.url === "/token") return say(200, { access_token: "a token", expires_in: 3600 });
  return say(200, { keys: [open(traKey)] });
};

async function recipient(path = join(folder, randomUUID())) {
  const tra = new Tra({ url, tokenUrl: `${url}/token`, tokenForm: "grant_type=client_credentials" });
  return new Recipient({
    agency: { id: "dga", name: "สพร.", receiver: "นางสาวสมมติ รับหนังสือ", prefix: "สพร" },
    key,
    journal: new Journal(path), // not reserved: some tests begin anew on the same file
    tra,
    answer: tra.answer.bind(tra),
  });
}

async function message({ id = "01A.dga.1", said = {}, event = {}, sign = traKey } = {}) {
  const [document_id, to] = id.split(".");
  const told = {
    delivery_id: id,
    document_id,
    sender: "slc",
    recipient: to,
    letter_number: `นร ๐๕๐๕/${document_id}`,
    letter_date: "2026-06-01",
    file_digest: `sha-256:${createHash("sha256").update(FILE).update(id).digest("hex")}`,
    ...said,
  };
  const proof = { type: "tra.delivery-evidence.v1", iss: url, event: "SubmissionAcceptance" };
  const payload = Buffer.from(JSON.stringify({ ...proof, ...told, ...event.proof }));
  const evidence = await new CompactSign(payload)
    .setProtectedHeader({ alg: "ES256", kid: sign.kid })
    .sign(sign);
  const { proof: _, data, ...more } = event;
  return JSON.stringify({
    specversion: "1.0",
    id: `${id}.delivered`,
    type: "tra.letter.delivered.v1",
    data: { ...told, evidence, ...data },
    ...more,
  });
}

/** A message of a letter whose file is the one that the archive gives. */
const genuine = (id, more = {}) => {
  house.file = Buffer.concat([FILE, Buffer.from(id)]);
  return message({ id, ...more });
};

const statement = async (jws) =>
  JSON.parse(Buffer.from((await compactVerify(jws, open(key))).payload).toString());

test("a letter is registered and answered with the six fields of A1, signed", async () => {
  const agency = await recipient();
  const done = await agency.take(await genuine("01B.dga.1"), ENTERED);
  assert.deepEqual([done.did, done.number], ["receipt", 1]);
  const { path, receipt } = house.asked.at(-1);
  assert.equal(path, "/v1/inbox/01B.dga.1/receipt");
  const said = await statement(receipt);
  assert.equal(said.letter_number, "นร ๐๕๐๕/01B");
  assert.equal(said.letter_date, "2026-06-01");
  assert.match(said.receive_number.printed, /^สพร ร\/ [๐-๙]{4}\/ ๑$/);
  assert.equal(said.received.entered_at, ENTERED.toISOString());
  assert.equal(said.receiver, "นางสาวสมมติ รับหนังสือ");
  assert.equal(said.receiving_agency_name, "สพร.");
});

test("who is asked again answers with the same bytes, also after a restart", async () => {
  const path = join(folder, randomUUID());
  const text = await genuine("01C.dga.1");
  await (await recipient(path)).take(text, ENTERED);
  const first = house.asked.at(-1).receipt;
  const again = await (await recipient(path)).take(text, new Date());
  assert.equal(again.number, 1);
  assert.equal(house.asked.at(-1).receipt, first);
});

test("killed before the answer: the number stays, and the answer follows", async () => {
  const path = join(folder, randomUUID());
  const text = await genuine("01D.dga.1");
  house.down = true;
  await assert.rejects((await recipient(path)).take(text, ENTERED), /503/);
  house.down = false;
  const written = house.asked.at(-1).receipt;
  await (await recipient(path)).take(text, ENTERED);
  assert.equal(house.asked.at(-1).receipt, written);
});

test("killed while a line is written: its number is given again, and no gap stays", async () => {
  const path = join(folder, randomUUID());
  await (await recipient(path)).take(await genuine("01E.dga.1"), ENTERED);
  appendFileSync(path, '{"kind":"receipt","number":2,"del');
  const done = await (await recipient(path)).take(await genuine("01F.dga.1"), ENTERED);
  assert.equal(done.number, 2);
  const kept = readFileSync(path, "utf8").trim().split("\n").map(JSON.parse);
  assert.deepEqual(kept.map((line) => line.number), [1, 2]);
});

test("a message that is not what Tra signed moves nothing and is kept once", async () => {
  const path = join(folder, randomUUID());
  const agency = await recipient(path);
  const before = house.asked.length;
  const forged = [
    await genuine("01G.dga.1", { event: { data: { letter_number: "นร ๐๕๐๕/1" } } }),
    await genuine("01G.dga.1", { event: { data: { evidence: "a.b.c" } } }),
    await genuine("01G.dga.1", { event: { data: { evidence: 7 } } }),
    await genuine("01G.dga.1", { sign: { ...key, kid: "tra" } }),
    await genuine("01G.dga.1", { sign: { ...traKey, kid: "another" } }),
    await genuine("01G.dga.1", { event: { proof: { event: "Recall" } } }),
    await genuine("01G.dga.1", { event: { proof: { iss: "https://elsewhere.example" } } }),
    await genuine("01G.opdc.1"),
    '{"specversion": "1.0"}',
    "not JSON",
  ];
  for (const text of [...forged, ...forged])
    assert.equal((await agency.take(text, ENTERED)).did, "set aside", text);
  assert.equal(house.asked.length, before);
  const kept = readFileSync(path, "utf8").trim().split("\n").map(JSON.parse);
  assert.deepEqual(kept.map((line) => line.text), forged);
  assert.equal((await agency.take(await genuine("01G.dga.1"), ENTERED)).number, 1);
});

test("without Tra's keys nothing is decided: the message waits", async () => {
  const agency = await recipient();
  agency.tra = new Tra({ url: "http://127.0.0.1:9", tokenUrl: "", tokenForm: "", publicUrl: url });
  await assert.rejects(agency.take(await genuine("01H.dga.1"), ENTERED), TypeError);
});

test("a file that is not the one, or a seal that fails, is rejected with a reason", async () => {
  const agency = await recipient();
  const other = await message({ id: "01J.dga.1" });
  house.file = Buffer.from("another file");
  assert.equal((await agency.take(other, ENTERED)).did, "rejection");
  assert.equal((await statement(house.asked.at(-1).rejection)).reason, "not_trusted");
  house.indication = "TOTAL-FAILED";
  assert.equal((await agency.take(await genuine("01K.dga.1"), ENTERED)).did, "rejection");
  house.indication = "INDETERMINATE";
  await assert.rejects(agency.take(await genuine("01L.dga.1"), ENTERED), /yet/);
  house.indication = "TOTAL-PASSED";
  assert.equal((await agency.take(await genuine("01L.dga.1"), ENTERED)).number, 1);
});

test("a letter that came before under any number is rejected as a duplicate", async () => {
  const agency = await recipient();
  await agency.take(await genuine("01M.dga.1", { said: { letter_number: "นร ๐๕๐๕/๗" } }), ENTERED);
  const same = [
    await genuine("01M.dga.2", { said: { letter_number: "นร 0505/007" } }),
    await genuine("01N.dga.1", { said: { file_digest: digestOf("01M.dga.1") } }),
  ];
  for (const text of same) {
    assert.equal((await agency.take(text, ENTERED)).did, "rejection");
    const { reason, note } = await statement(house.asked.at(-1).rejection);
    assert.equal(reason, "duplicate");
    assert.match(note, /ลงรับไว้แล้ว สพร ร/);
  }
});
const digestOf = (id) => `sha-256:${createHash("sha256").update(FILE).update(id).digest("hex")}`;

test("a letter that was recalled before is not registered, in whatever order it comes", async () => {
  const agency = await recipient();
  const before = house.asked.length;
  const recall = { type: "tra.delivery.recalled.v1", proof: { event: "Recall" } };
  assert.equal((await agency.take(await genuine("01P.dga.1", { event: recall }), ENTERED)).did, "recalled");
  assert.equal((await agency.take(await genuine("01P.dga.1"), ENTERED)).did, "recalled");
  assert.equal(house.asked.length, before);
});

test("a reminder is answered like the message itself, with the same bytes", async () => {
  const agency = await recipient();
  const reminder = { type: "tra.delivery.reminded.v1", proof: { event: "ConsignmentNotification" } };
  const text = await genuine("01S.dga.1", { event: reminder });
  assert.equal((await agency.take(text, ENTERED)).number, 1);
  const first = house.asked.at(-1).receipt;
  await agency.take(await genuine("01S.dga.1"), ENTERED);
  assert.equal(house.asked.at(-1).receipt, first);
});

test("an answer that comes too late is kept, and the message may go; else it waits", async () => {
  const path = join(folder, randomUUID());
  const agency = await recipient(path);
  house.refuses["01Q.dga.1"] = "delivery_recalled";
  const done = await agency.take(await genuine("01Q.dga.1"), ENTERED);
  assert.equal(done.refused, "delivery_recalled");
  const last = JSON.parse(readFileSync(path, "utf8").trim().split("\n").at(-1));
  assert.deepEqual([last.kind, last.why], ["aside", "refused by Tra: delivery_recalled"]);
  house.refuses["01T.dga.1"] = "bad_signature";
  await assert.rejects(agency.take(await genuine("01T.dga.1"), ENTERED), /bad_signature/);
});

test("two processes do not share a journal", async () => {
  const path = join(folder, randomUUID());
  await Journal.open(path);
  await assert.rejects(Journal.open(path), /another process/);
});

test("by webhook: what Tra signed for this address, now, is kept and handled; nothing else", async (t) => {
  const room = mkdtempSync(join(folder, "webhook-"));
  writeFileSync(join(room, "key.json"), JSON.stringify(key));
  const settings = {
    TRA_URL: url,
    TRA_TOKEN_URL: `${url}/token`,
    TRA_TOKEN_FORM: "grant_type=client_credentials",
    AGENCY_ID: "dga",
    AGENCY_NAME: "สพร.",
    RECEIVER: "นางสาวสมมติ รับหนังสือ",
    SIGNING_KEY: "key.json",
    WEBHOOK_URL: "https://dga.example/tra",
    PORT: "0",
  };
  const script = join(import.meta.dirname, "webhook.mjs");
  const child = spawn(process.execPath, [script], { cwd: room, env: settings });
  t.after(() => child.kill());
  const lines = [];
  child.stdout.on("data", (said) => lines.push(...String(said).trim().split("\n").map(JSON.parse)));
  const heard = async (count) => {
    while (lines.length < count) await once(child.stdout, "data");
    return lines.at(-1);
  };
  const { port } = await heard(1);
  const post = async (body, claims, signer = traKey) => {
    const [header, , value] = (
      await new CompactSign(Buffer.from(body))
        .setProtectedHeader({ alg: "ES256", kid: signer.kid, ...claims })
        .sign(signer)
    ).split(".");
    const headers = { "Tra-Signature": `${header}..${value}` };
    return (await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body, headers })).status;
  };

  const body = await genuine("01R.dga.1");
  const good = {
    typ: "tra-webhook+jws",
    iat: Math.floor(Date.now() / 1000),
    jti: "01R.dga.1.delivered",
    aud: settings.WEBHOOK_URL,
  };
  assert.equal(await post(body, { ...good, iat: good.iat - 600 }), 401);
  assert.equal(await post(body, { ...good, aud: "https://another.example/" }), 401);
  assert.equal(await post(body, { ...good, jti: "another" }), 401);
  assert.equal(await post(body, { ...good, typ: "JOSE" }), 401);
  assert.equal(await post(body, good, { ...key, kid: "tra" }), 401);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body })).status, 401);
  assert.equal(await post(body, good), 204);
  assert.equal((await heard(2)).number, 1);
  const first = house.asked.at(-1).receipt;
  assert.equal(await post(body, good), 204); // Tra did not hear the first 204
  assert.equal((await heard(3)).number, 1);
  assert.equal(house.asked.at(-1).receipt, first);
});
