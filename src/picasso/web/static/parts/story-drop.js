/** Pictures dropped or chosen on the story go to the workbench. */

import { asApiError, post } from "../api.js";

const MOST = 24;

export function listenForDrops() {
  const drop = /** @type {HTMLButtonElement} */ (document.getElementById("story-drop"));
  const input = /** @type {HTMLInputElement} */ (document.getElementById("story-files"));
  const error = /** @type {HTMLElement} */ (document.getElementById("story-error"));
  const say = (/** @type {string} */ text) => {
    error.textContent = text;
    error.hidden = !text;
  };
  const take = async (/** @type {File[]} */ files) => {
    if (!files.length) return;
    say("");
    const form = new FormData();
    for (const file of files.slice(0, MOST)) form.append("files", file);
    drop.disabled = true;
    try {
      const { pictures } = await post("/pictures", form);
      const good = pictures.filter((/** @type {any} */ one) => one.digest);
      if (!good.length) return say(`${pictures[0].error.message} ${pictures[0].error.hint}`);
      const query = new URLSearchParams();
      for (const { digest } of good) query.append("picture", digest);
      location.assign(`/explain?${query}`);
    } catch (problem) {
      const { message, hint } = asApiError(problem);
      say(`${message} ${hint}`);
    } finally {
      drop.disabled = false;
    }
  };
  drop.addEventListener("click", () => input.click());
  input.addEventListener("change", () => take([...(input.files ?? [])]));
  addEventListener("dragover", (event) => {
    if ([...(event.dataTransfer?.types ?? [])].includes("Files")) {
      event.preventDefault();
      document.body.classList.add("dropping");
    }
  });
  addEventListener("dragleave", (event) => !event.relatedTarget && document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
}
