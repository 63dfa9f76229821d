// @signpdf as its README says: a placeholder by placeholder-plain, then signpdf.sign with a
// signer. Its own signer, P12Signer, knows RSA alone. For P-256 its README says to bring a
// Signer of one's own; the one below does as little as a valid CMS (RFC 5652) needs, by
// node:crypto, so what is measured is @signpdf and a signature.
//
//   node signpdf.mjs ROOM rsa|p256
//
// ROOM holds page.pdf, plan.json and seal.p12, or key.pem and chain.pem.
import { createHash, createPrivateKey, sign, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plainAddPlaceholder } from "@signpdf/placeholder-plain";
import { P12Signer } from "@signpdf/signer-p12";
import { SignPdf } from "@signpdf/signpdf";
import { Signer, SUBFILTER_ETSI_CADES_DETACHED } from "@signpdf/utils";

const [, , room, kind] = process.argv;
const read = (name) => readFileSync(join(room, name));

const der = (tag, ...parts) => {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const hex = (text) => Buffer.from(text, "hex");
const SIGNED_DATA = hex("06092a864886f70d010702");
const DATA = hex("06092a864886f70d010701");
const CONTENT_TYPE = hex("06092a864886f70d010903");
const MESSAGE_DIGEST = hex("06092a864886f70d010904");
const SIGNING_CERTIFICATE_V2 = hex("060b2a864886f70d010910022f");
const SHA256 = hex("300b0609608648016503040201");
const ECDSA_SHA256 = hex("300a06082a8648ce3d040302");

// Issuer and serial number as they stand in a certificate (RFC 5280 §4.1).
const children = (bytes) => {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1], head = 2;
    if (length > 127) {
      head += length & 127;
      length = bytes.readUIntBE(at + 2, length & 127);
    }
    found.push({ all: bytes.subarray(at, at + head + length), inside: bytes.subarray(at + head, at + head + length) });
    at += head + length;
  }
  return found;
};

class P256Signer extends Signer {
  constructor(key, chain) {
    super();
    this.key = key;
    this.certificates = der(0xa0, ...chain);
    const [, serial, , issuer] = children(children(children(chain[0])[0].inside)[0].inside);
    this.id = der(0x30, issuer.all, serial.all);
    const named = der(0x30, der(0x30, der(0x30, der(0x04, createHash("sha256").update(chain[0]).digest()))));
    this.named = der(0x30, SIGNING_CERTIFICATE_V2, der(0x31, named));
  }

  async sign(pdf) {
    const digest = createHash("sha256").update(pdf).digest();
    const attributes = der(0x31,
      der(0x30, CONTENT_TYPE, der(0x31, DATA)),
      der(0x30, MESSAGE_DIGEST, der(0x31, der(0x04, digest))),
      this.named);
    const signature = sign("sha256", attributes, this.key);
    const unset = Buffer.from(attributes);
    unset[0] = 0xa0;
    const signer = der(0x30, hex("020101"), this.id, SHA256, unset, ECDSA_SHA256, der(0x04, signature));
    return der(0x30, SIGNED_DATA, der(0xa0, der(0x30, hex("020101"), der(0x31, SHA256),
      der(0x30, DATA), this.certificates, der(0x31, signer))));
  }
}

const ours = () => {
  const pems = read("chain.pem").toString().match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g);
  return new P256Signer(createPrivateKey(read("key.pem")), pems.map((pem) => new X509Certificate(pem).raw));
};

const plan = JSON.parse(read("plan.json"));
const page = read("page.pdf");
const p12 = kind === "rsa" ? read("seal.p12") : undefined;
const own = kind === "rsa" ? undefined : ours();
// A P12Signer signs once: it reads its buffer to the end.
const signer = () => own ?? new P12Signer(p12, { passphrase: plan.passphrase });

const signpdf = new SignPdf();
const seal = () => signpdf.sign(plainAddPlaceholder({
  pdfBuffer: page, reason: "", contactInfo: "", name: "Seal1", location: "",
  signatureLength: 4096, subFilter: SUBFILTER_ETSI_CADES_DETACHED,
}), signer());

for (let n = 0; n < plan.warm; n++) await seal();
const ms = [];
let sealed;
for (let round = 0; round < plan.rounds; round++) {
  const before = process.cpuUsage();
  for (let n = 0; n < plan.times; n++) sealed = await seal();
  const { user, system } = process.cpuUsage(before);
  ms.push((user + system) / 1000 / plan.times);
}
writeFileSync(join(room, `signpdf-${kind}.pdf`), sealed);
console.log(JSON.stringify({ ms }));
