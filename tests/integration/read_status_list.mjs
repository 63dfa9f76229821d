// An independent reader of a status list: node read_status_list.mjs JWT_FILE JWKS_FILE INDEX…
// Checks the JWS by WebCrypto and prints {"header", "credential", "bits"}; shares no code with Tra.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { webcrypto } from "node:crypto";

const [jwtFile, jwksFile, ...indices] = process.argv.slice(2);
const [header64, payload64, signature64] = readFileSync(jwtFile, "utf8").trim().split(".");
const header = JSON.parse(Buffer.from(header64, "base64url"));
const jwk = JSON.parse(readFileSync(jwksFile)).keys.find((key) => key.kid === header.kid);
const curve = { name: "ECDSA", namedCurve: "P-256" };
const key = await webcrypto.subtle.importKey("jwk", jwk, curve, false, ["verify"]);
const signed = Buffer.from(`${header64}.${payload64}`);
const signature = Buffer.from(signature64, "base64url");
if (!(await webcrypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, signed)))
  throw new Error("the signature is wrong");
const credential = JSON.parse(Buffer.from(payload64, "base64url"));
const { encodedList, type, statusPurpose } = credential.credentialSubject;
if (!encodedList.startsWith("u")) throw new Error("not multibase base64url");
if (type !== "BitstringStatusList" || !statusPurpose) throw new Error("not a status list");
const list = gunzipSync(Buffer.from(encodedList.slice(1), "base64url"));
if (list.length * 8 < 131072) throw new Error("the list is too short");
const bit = (index) => (list[index >> 3] >> (7 - (index & 7))) & 1;
const ones = [...Array(list.length * 8).keys()].filter(bit);
const bits = Object.fromEntries(indices.map((index) => [index, bit(Number(index))]));
console.log(JSON.stringify({ header, credential, bits, ones }));
