/** An error as one clear sentence and what to do about it. */

import { asApiError } from "../api.js";
import { coded, h, icon } from "../dom.js";

/**
 * What to do about an error, for someone at a page: a trusted file is named in the configuration, not on a command line.
 *
 * @param {import("../types.js").Problem} error
 * @returns {string}
 */
export function advice({ code, hint }) {
  if (code !== "unsafe-model") return hint;
  return hint.replace(/open it with --trust (\w+) \(in Python trust='\1'\)\.?/,
    'write trust = ["$1"] under its [[model]] in picasso.toml, and start Picasso again.');
}

/**
 * @param {unknown} error an ApiError, or {code, message, hint}
 * @param {{label: string, act: () => void} | null} [action]
 * @returns {HTMLElement}
 */
export function problem(error, action = null) {
  const known = /** @type {any} */ (error)?.message !== undefined && !(error instanceof Error)
    ? /** @type {import("../types.js").Problem} */ (error)
    : asApiError(error);
  const { message } = known;
  const hint = advice(known);
  return h("div", { class: "problem", role: "alert" },
    icon("warn"),
    h("div", {}, h("p", { class: "problem-message" }, coded(message)), hint && h("p", { class: "problem-hint" }, coded(hint))),
    action && h("button", { type: "button", onclick: action.act }, action.label));
}
