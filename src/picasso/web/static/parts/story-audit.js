/** Both detectors audited before the visitor's eyes, on the pictures that each was tested on. */

import { get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { Measuring } from "./measuring.js";
import { outcomeSign } from "./outcome.js";
import { problem } from "./problem.js";

/** Each detector was tested as it was trained, and so it is audited. */
const DATASETS = /** @type {Record<string, string>} */ ({ "demo:tank-proxy": "demo:tanks", "demo:tank-honest": "demo:tanks-honest" });

export class AuditChapter {
  constructor() {
    this.button = /** @type {HTMLButtonElement} */ (document.getElementById("audit-start"));
    this.duel = /** @type {HTMLElement} */ (document.getElementById("duel"));
    this.going = 0;
    this.button.addEventListener("click", () => this.start());
  }

  start() {
    this.duel.hidden = false;
    this.button.disabled = true;
    this.button.textContent = "Auditing\u2026";
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (this.duel.querySelectorAll(".duelist"))) this.audit(place);
  }

  /** @param {HTMLElement} place */
  audit(place) {
    const model = place.dataset.model ?? "";
    const body = /** @type {HTMLElement} */ (place.querySelector(".duelist-body"));
    this.going += 1;
    const measuring = new Measuring({
      done: async (key) => {
        try {
          fill(body, found(await get(`/audits/${encodeURIComponent(key)}`)));
        } catch (error) {
          fill(body, problem(error));
        }
        this.over();
      },
      stopped: () => this.over(),
    });
    fill(body, measuring.element);
    measuring.begin(() => post("/audits", { model, dataset: DATASETS[model] }));
  }

  over() {
    this.going -= 1;
    if (this.going) return;
    this.button.disabled = false;
    this.button.textContent = "Audit both again";
    announce("Both audits are over.");
  }
}

/** @param {any} audit */
function found({ headline, sentence, outcome, page, pairs }) {
  const [pair] = pairs;
  const image = (/** @type {any} */ one, /** @type {string} */ words) => h("figure", {},
    h("img", { src: `${one.url}.png`, alt: `${pair.name} ${words}`, width: one.shape[1], height: one.shape[0] }), h("figcaption", {}, words));
  return [
    h("p", { class: "headline", "data-outcome": outcome }, outcomeSign(outcome), headline),
    h("p", {}, sentence),
    pair && h("div", { class: "duelist-pair" }, image(pair.before, "before"), image(pair.after, "after")),
    h("p", {}, h("a", { class: "button", href: page }, "The whole audit")),
  ];
}
