// What is asked before something is deleted, on pages of one thing.

import { remove } from "../api.js";
import { problem } from "./problem.js";

/**
 * Delete where the dialog was answered so, and go on from there.
 * @param {HTMLDialogElement} dialog whose buttons close it with "delete" or another value
 * @param {string} path of what is deleted
 * @param {string} next address of the page that follows
 * @param {HTMLElement} place where a failure is said
 */
export function deletes(dialog, path, next, place) {
  dialog.addEventListener("close", async () => {
    const said = dialog.returnValue;
    dialog.returnValue = ""; // Escape leaves it as it was
    if (said !== "delete") return;
    try {
      await remove(path);
      location.assign(next);
    } catch (error) {
      place.prepend(problem(/** @type {any} */ (error)));
    }
  });
}
