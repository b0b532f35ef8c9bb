/** The outcome of an audit as a mark: with a sign and words, not by color alone. */

import { h, icon } from "../dom.js";

/** @type {Record<string, [string, "check" | "close" | "warn" | "question", string]>} kind, sign, words */
const OUTCOMES = {
  "right-reason": ["yes", "check", "right reason"],
  "wrong-reason": ["no", "close", "wrong reason"],
  both: ["no", "warn", "both"],
  "relies-on": ["care", "warn", "waits for your word"],
  "weak-model": ["care", "question", "weak model"],
  "cannot-tell": ["care", "question", "cannot tell"],
};

/** @param {string} outcome */
export function outcomeKind(outcome) {
  return (OUTCOMES[outcome] ?? OUTCOMES["cannot-tell"])[0];
}

/** @param {string} outcome */
export function outcomeMark(outcome) {
  const [kind, sign, words] = OUTCOMES[outcome] ?? OUTCOMES["cannot-tell"];
  return h("span", { class: ["trust", kind] }, icon(sign), words);
}
