// Tra's public interface, as far as a recipient needs it (GET /v1/openapi.json tells all of it).
import { compactVerify, createRemoteJWKSet, errors } from "jose";

const PATIENCE = 30_000; // milliseconds
const LARGEST_TO_VERIFY = 4 * 1024 * 1024; // bytes, in one request

// Why an answer comes too late, for good. For any other reason (a key that the directory does not
// know, say) somebody can do something.
const ENDED = new Set([
  "delivery_failed",
  "delivery_recalled",
  "delivery_rejected",
  "delivery_handed_over",
  "other_number",
  "other_answer",
]);

/** Tra, or the way to it, is not as it should be. Another try later may help. */
export class TraError extends Error {}

/** The signature is at fault, and not the way to Tra's keys. */
export const unsigned = (error) =>
  [
    errors.JWSInvalid,
    errors.JWSSignatureVerificationFailed,
    errors.JOSEAlgNotAllowed,
    errors.JOSENotSupported,
    errors.JWKSNoMatchingKey,
  ].some((kind) => error instanceof kind);

export class Tra {
  #keys;
  #token = { value: "", until: 0 };

  /** `tokenForm`: the form of the client-credentials request, as your issuer wants it.
   * `publicUrl`: what Tra calls itself in its evidence; its address, if not said. */
  constructor({ url, tokenUrl, tokenForm, publicUrl = url }) {
    Object.assign(this, { url, tokenUrl, tokenForm, publicUrl });
    const keys = new URL(`${url}/.well-known/jwks.json`);
    // A `kid` that is not there may be a new one: look again each time before it is not believed.
    this.#keys = createRemoteJWKSet(keys, { cooldownDuration: 0 });
  }

  /** What Tra signed. Throws if it did not sign it. */
  async signed(jws) {
    const { payload } = await compactVerify(jws, this.#keys, { algorithms: ["ES256"] });
    return JSON.parse(Buffer.from(payload).toString());
  }

  /** What the header `Tra-Signature` of a webhook says of its body: `aud` for whom, `iat` when,
   * `jti` which event. Nothing, if Tra did not sign it so. (A JWS whose payload is the body:
   * RFC 7515, appendix F.) */
  async webhook(signature, body) {
    const [header, , value] = signature.split(".");
    const jws = `${header}.${Buffer.from(body).toString("base64url")}.${value}`;
    try {
      const { protectedHeader } = await compactVerify(jws, this.#keys, { algorithms: ["ES256"] });
      return protectedHeader.typ === "tra-webhook+jws" ? protectedHeader : undefined;
    } catch (error) {
      if (unsigned(error)) return undefined;
      throw error;
    }
  }

  /** The sealed PDF of a document that was sent to this agency. The link that the answer leads
   * to is followed without the token, which is nobody else's business. */
  async file(documentId) {
    const answer = await this.#call(`/v1/documents/${documentId}/file`, { redirect: "manual" });
    if (answer.status !== 303) throw await problem(answer);
    const found = await request(answer.headers.get("location"));
    if (!found.ok) throw new TraError(`the archive answered ${found.status}`);
    return Buffer.from(await found.arrayBuffer());
  }

  /** The verdict on a PDF: its seal, and whether it is the file of its register entry. */
  async verdict(pdf) {
    if (pdf.length > LARGEST_TO_VERIFY) throw new TraError("too large; send it by an upload");
    const answer = await request(`${this.url}/v1/verify`, {
      method: "POST",
      headers: { "Content-Type": "application/pdf" },
      body: pdf,
    });
    if (!answer.ok) throw await problem(answer);
    return answer.json();
  }

  /** Give the answer to a delivery: `kind` is `receipt` or `rejection`, `jws` the statement as
   * signed. If the delivery has another end already, says which; else nothing. */
  async answer(kind, deliveryId, jws) {
    const answer = await this.#call(`/v1/inbox/${deliveryId}/${kind}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": `${deliveryId}.${kind}` },
      body: JSON.stringify({ [kind]: jws }),
    });
    if (answer.ok) return undefined;
    const refused = await problem(answer);
    if (!ENDED.has(refused.reason)) throw refused;
    return refused.reason;
  }

  async #call(path, { headers, ...options } = {}) {
    const token = await this.#currentToken();
    const authorized = { ...headers, Authorization: `Bearer ${token}` };
    return request(`${this.url}${path}`, { headers: authorized, ...options });
  }

  async #currentToken() {
    if (Date.now() < this.#token.until) return this.#token.value;
    const body = new URLSearchParams(this.tokenForm);
    const answer = await request(this.tokenUrl, { method: "POST", body });
    if (!answer.ok) throw await problem(answer);
    const { access_token: value, expires_in: seconds } = await answer.json();
    this.#token = { value, until: Date.now() + (seconds - 60) * 1000 };
    return value;
  }
}

const request = (url, options = {}) =>
  fetch(url, { signal: AbortSignal.timeout(PATIENCE), ...options });

async function problem(answer) {
  const { code, reason, title } = await answer.json().catch(() => ({}));
  const said = [answer.status, code, reason, title].filter(Boolean).join(" ");
  return Object.assign(new TraError(said), { reason });
}
