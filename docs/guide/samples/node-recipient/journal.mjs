// The agency's journal: what was decided, a line each, in order, never changed. The receive
// register is the lines that are receipts.
//
// A line is on disk before anybody hears of it. Killed while it is written: the half line is cut
// off at the next start, and nobody had heard of it. One process writes; a second one is refused.
import { createHash } from "node:crypto";
import { closeSync, constants, fsyncSync, ftruncateSync } from "node:fs";
import { openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";

const hash = (text) => createHash("sha256").update(text).digest("hex");

export class Journal {
  #file;
  #end;
  #deliveries = new Map(); // delivery id → line that settled it
  #letters = new Map(); // number and file of a registered letter → its line
  #last = new Map(); // year → last number of the receive register
  #aside = new Set(); // digests of what was set aside

  static async open(path) {
    await reserve(path);
    return new Journal(path);
  }

  constructor(path) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const written = readFileSync(this.#file);
    this.#end = written.lastIndexOf("\n") + 1;
    ftruncateSync(this.#file, this.#end);
    syncFolder(path);
    for (const line of written.toString("utf8", 0, this.#end).split("\n").slice(0, -1))
      this.#remember(JSON.parse(line));
  }

  /** The line that settled a delivery, if there is one. */
  settled(deliveryId) {
    return this.#deliveries.get(deliveryId);
  }

  /** The line of a registered letter with this number, or with these bytes. */
  letter(told) {
    return marks(told).map((mark) => this.#letters.get(mark)).find(Boolean);
  }

  /** The next number of the receive register: one more than the last, from 1 each year. */
  nextNumber(year) {
    return (this.#last.get(year) ?? 0) + 1;
  }

  /** Keep a line. When this returns, it is on disk. */
  keep(line) {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    // At the place it belongs: what an earlier try left half-written there is overwritten.
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#file, bytes, done, bytes.length - done, this.#end + done);
    fsyncSync(this.#file);
    this.#end += bytes.length;
    this.#remember(line);
    return line;
  }

  /** Keep what is not believed, or not for this program, for a person to look at; once. */
  setAside(text, why) {
    if (!this.#aside.has(hash(text))) this.keep({ kind: "aside", why, text });
  }

  #remember(line) {
    if (line.kind === "aside") this.#aside.add(hash(line.text));
    else this.#deliveries.set(line.delivery_id, line);
    if (line.kind !== "receipt") return;
    this.#last.set(line.year, Math.max(line.number, this.#last.get(line.year) ?? 0));
    for (const mark of marks(line)) if (!this.#letters.has(mark)) this.#letters.set(mark, line);
  }
}

/** By what a letter is known again: sender, year and number (they begin anew each year), or file. */
function marks({ sender, letter_number, letter_date, file_digest }) {
  const plain = letter_number
    .replace(/[๐-๙]/g, (digit) => digit.charCodeAt(0) - 0x0e50)
    .replace(/\s+/g, "")
    .replace(/(?<!\d)0+(?=\d)/g, "");
  return [`${sender}/${letter_date.slice(0, 4)}/${plain}`, file_digest];
}

function syncFolder(path) {
  const folder = openSync(dirname(resolve(path)), constants.O_RDONLY);
  fsyncSync(folder);
  closeSync(folder);
}

/** Two processes would give one number twice. A name in Linux's abstract namespace is held until
 * its process ends, however it ends. */
function reserve(path) {
  const lock = createServer().unref();
  return new Promise((done, failed) => {
    lock.once("error", () => failed(new Error(`another process has ${path}`)));
    lock.listen(`\0tra-journal-${hash(resolve(path))}`, done);
  });
}
