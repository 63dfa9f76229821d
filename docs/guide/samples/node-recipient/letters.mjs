// What an agency does with one message of Tra: believe it or not, look at the letter, enter it in
// the receive register or refuse it, and answer with a statement signed by the agency's own key.
//
// Everything may happen twice and end anywhere. The decision is in the journal before the answer
// leaves; so who is asked again answers with the same bytes, and no number is given twice.
import { CompactSign } from "jose";
import { createHash } from "node:crypto";
import { unsigned } from "./tra.mjs";

const RECALLED = "tra.delivery.recalled.v1";

/** Messages that ask for something, and the event whose evidence they carry. A reminder may be
 * the first that we hear of a letter, or say that our answer was lost. */
const PROVED_BY = {
  "tra.letter.delivered.v1": "SubmissionAcceptance",
  "tra.delivery.reminded.v1": "ConsignmentNotification",
  [RECALLED]: "Recall",
};
const SAME = ["delivery_id", "document_id", "sender", "recipient", "letter_number", "letter_date"];

/** The message is not what Tra signed, or not for us. */
class NotBelieved extends Error {}

export class Recipient {
  /** `agency`: {id, name, receiver, prefix}; `key`: private JWK with the `kid` that the directory
   * knows; `journal`: see journal.mjs; `tra`: see tra.mjs; `answer(kind, deliveryId, jws)`: how
   * answers travel, by the interface or by the queue for replies. */
  constructor({ agency, key, journal, tra, answer }) {
    Object.assign(this, { agency, key, journal, tra, answer });
  }

  /** Do all that a message asks for, and say in a word what that was. `enteredAt`: when it came
   * into the agency's own system, which is when the letter counts as received. Throws if something
   * does not work at the moment: give the same message again later. */
  async take(text, enteredAt) {
    // 1. Is it Tra that says so, of a letter to us?
    let event, told;
    try {
      event = cloudEvent(text);
      told = await this.#believed(event);
    } catch (error) {
      if (!(error instanceof NotBelieved)) throw error;
      this.journal.setAside(text, error.message);
      return { did: "set aside", why: error.message };
    }

    // 2. Decide, unless that was done; the decision is kept before anybody hears of it.
    const line =
      this.journal.settled(told.delivery_id) ??
      this.journal.keep({ ...(await this.#decided(event, told, enteredAt)), event_id: event.id });

    // 3. Answer with what was decided, byte for byte, however often we are asked.
    if (line.kind === "recalled") return { did: "recalled", delivery: line.delivery_id };
    const refused = await this.answer(line.kind, line.delivery_id, line.answer);
    if (refused) this.journal.setAside(line.answer, `refused by Tra: ${refused}`);
    return { did: line.kind, delivery: line.delivery_id, number: line.number, refused };
  }

  /** What the evidence in the message says: Tra's signature, and the same as the message. All
   * that follows is taken from there; anybody can write the rest. */
  async #believed(event) {
    const proof = PROVED_BY[event.type];
    if (!proof) throw new NotBelieved(`nothing is done about ${event.type}`);
    const told = await this.tra.signed(String(event.data.evidence)).catch((error) => {
      if (unsigned(error)) throw new NotBelieved("the evidence is not signed by Tra");
      throw error;
    });
    if (told.type !== "tra.delivery-evidence.v1" || told.iss !== this.tra.publicUrl)
      throw new NotBelieved("the evidence is of something else");
    if (told.recipient !== this.agency.id) throw new NotBelieved("the letter is for another agency");
    if (told.event !== proof) throw new NotBelieved("the evidence is of another event");
    const differs = [...SAME, "file_digest"].find((name) => told[name] !== event.data[name]);
    if (differs) throw new NotBelieved(`the evidence says something else of ${differs}`);
    return told;
  }

  /** The line for the journal, with the signed answer where there is one. */
  async #decided(event, told, enteredAt) {
    if (event.type === RECALLED) return { kind: "recalled", ...about(told) };
    const first = this.journal.letter(told);
    if (first) return this.#rejection(told, enteredAt, "duplicate", `ลงรับไว้แล้ว ${first.printed}`);
    const pdf = await this.tra.file(told.document_id);
    const flaw = digest(pdf) === told.file_digest ? await this.#flaw(pdf) : "file_digest";
    if (flaw) return this.#rejection(told, enteredAt, "not_trusted", flaw);
    return this.#receipt(told, enteredAt);
  }

  /** What is wrong with the seal, if anything is. Throws if nobody can say at the moment. */
  async #flaw(pdf) {
    const { indication, register_answer: register } = await this.tra.verdict(pdf);
    if (indication === "TOTAL-PASSED" && register === "match") return undefined;
    if (indication === "INDETERMINATE") throw new Error("the seal cannot be judged yet");
    return `${indication}, ${register}`;
  }

  async #receipt(told, enteredAt) {
    const registeredAt = new Date();
    const year = yearInBangkok(registeredAt);
    const number = this.journal.nextNumber(year);
    const printed = `${this.agency.prefix} ร/ ${thai(year + 543)}/ ${thai(number)}`.trim();
    const answer = await this.#sign({
      type: "tra.receipt.v1",
      ...this.#said(told, enteredAt),
      receive_number: { year, number, printed },
      registered_at: registeredAt.toISOString(),
      receiver: this.agency.receiver,
      receiving_agency_name: this.agency.name,
      corrects: null,
    });
    return { kind: "receipt", ...about(told), year, number, printed, answer };
  }

  async #rejection(told, enteredAt, reason, note) {
    const answer = await this.#sign({
      type: "tra.rejection.v1",
      ...this.#said(told, enteredAt),
      rejected_at: new Date().toISOString(),
      reason,
      suggested_agency: null,
      note,
    });
    return { kind: "rejection", ...about(told), reason, answer };
  }

  /** What both statements say. `counted_at` is the working time that the arrival counts as
   * (section 10): say it if your system knows office hours and holidays; Tra knows otherwise. */
  #said(told, enteredAt) {
    return {
      ...about(told),
      received: { entered_at: enteredAt.toISOString(), counted_at: null },
      receiving_agency: this.agency.id,
    };
  }

  /** Compact JWS. In production the key lies in a KMS or HSM: this is the one place. */
  async #sign(statement) {
    const payload = new TextEncoder().encode(JSON.stringify(statement));
    return new CompactSign(payload)
      .setProtectedHeader({ alg: "ES256", kid: this.key.kid })
      .sign(this.key);
  }
}

/** CloudEvents 1.0, JSON. */
function cloudEvent(text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    throw new NotBelieved("not JSON");
  }
  const whole = event?.specversion === "1.0" && event.data && typeof event.data === "object";
  if (!whole) throw new NotBelieved("not a CloudEvent");
  return event;
}

/** Which letter this is, and which delivery of it. */
const about = (told) =>
  Object.fromEntries(
    ["delivery_id", "document_id", "sender", "letter_number", "letter_date", "file_digest"].map(
      (name) => [name, told[name]],
    ),
  );

const digest = (bytes) => `sha-256:${createHash("sha256").update(bytes).digest("hex")}`;
const thai = (number) => String(number).replace(/\d/g, (digit) => "๐๑๒๓๔๕๖๗๘๙"[digit]);

/** Registers begin anew with the calendar year in Thailand (UTC+7 all year). */
const yearInBangkok = (at) => new Date(at.getTime() + 7 * 3600_000).getUTCFullYear();
