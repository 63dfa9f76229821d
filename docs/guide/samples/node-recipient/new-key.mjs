// A key to sign answers with: node new-key.mjs key.json
// Keeps the private key in the file and prints the public one, for the directory (`reply_keys`).
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { writeFileSync } from "node:fs";

const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const { d, ...rest } = await exportJWK(privateKey);
const open = { ...rest, use: "sig", alg: "ES256", kid: await calculateJwkThumbprint(rest) };
writeFileSync(process.argv[2], JSON.stringify({ ...open, d }), { mode: 0o600, flag: "wx" });
console.log(JSON.stringify(open));
