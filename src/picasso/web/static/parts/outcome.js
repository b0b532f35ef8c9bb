/** The outcome of an audit as a sign: the headline beside it says the same in words. */

import { h, icon } from "../dom.js";

/** @type {Record<string, ["yes" | "no" | "care", "check" | "close" | "warn" | "question"]>} */
const OUTCOMES = {
  "right-reason": ["yes", "check"],
  "wrong-reason": ["no", "close"],
  both: ["no", "warn"],
  "relies-on": ["care", "warn"],
  "weak-model": ["care", "question"],
  "cannot-tell": ["care", "question"],
};

/** @param {string} outcome */
export function outcomeKind(outcome) {
  return (OUTCOMES[outcome] ?? OUTCOMES["cannot-tell"])[0];
}

/** @param {string} outcome */
export function outcomeSign(outcome) {
  const [kind, sign] = OUTCOMES[outcome] ?? OUTCOMES["cannot-tell"];
  return h("span", { class: ["outcome", kind] }, icon(sign));
}
