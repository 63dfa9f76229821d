// Settings from the environment; README.md says what they mean.
import { readFileSync } from "node:fs";
import { Journal } from "./journal.mjs";
import { Recipient } from "./letters.mjs";
import { Tra } from "./tra.mjs";

/** The value of a setting. Throws, naming it, if it is missing and there is no other one. */
export function setting(name, otherwise) {
  const value = process.env[name] || otherwise;
  if (value === undefined) throw new Error(`the environment says nothing of ${name}`);
  return value;
}

/** The agency of these settings. `answerBy(tra)` says how its answers travel. */
export async function recipient(answerBy = (tra) => tra.answer.bind(tra)) {
  const tra = new Tra({
    url: setting("TRA_URL"),
    publicUrl: setting("TRA_PUBLIC_URL", setting("TRA_URL")),
    tokenUrl: setting("TRA_TOKEN_URL"),
    tokenForm: setting("TRA_TOKEN_FORM"),
  });
  return new Recipient({
    agency: {
      id: setting("AGENCY_ID"),
      name: setting("AGENCY_NAME"),
      receiver: setting("RECEIVER"),
      prefix: setting("RECEIVE_PREFIX", ""),
    },
    key: JSON.parse(readFileSync(setting("SIGNING_KEY"), "utf8")),
    journal: await Journal.open(setting("JOURNAL", "journal.jsonl")),
    tra,
    answer: answerBy(tra),
  });
}
