/** An error as one clear sentence and what to do about it. */

import { asApiError } from "../api.js";
import { h, icon } from "../dom.js";

/**
 * @param {unknown} error an ApiError, or {code, message, hint}
 * @param {{label: string, act: () => void} | null} [action]
 * @returns {HTMLElement}
 */
export function problem(error, action = null) {
  const { message, hint } = /** @type {any} */ (error)?.message !== undefined && !(error instanceof Error)
    ? /** @type {import("../types.js").Problem} */ (error)
    : asApiError(error);
  return h("div", { class: "problem", role: "alert" },
    icon("warn"),
    h("div", {}, h("p", { class: "problem-message" }, message), hint && h("p", { class: "problem-hint" }, hint)),
    action && h("button", { type: "button", onclick: action.act }, action.label));
}
