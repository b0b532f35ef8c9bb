/** <picasso-believe>: whether to believe a result's map, measured once and kept. */

import { get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { cardTable, meanings, reasons, trustMark } from "./card.js";
import { compareHref } from "./compare-address.js";
import { Measuring } from "./measuring.js";
import { problem } from "./problem.js";

/** Events: "measured" when the map was measured just now. */
export class PicassoBelieve extends HTMLElement {
  /** @param {import("../types.js").StoredResult} result */
  constructor(result) {
    super();
    this.result = result;
    this.measuring = new Measuring({
      done: (key) => this.show(key, true),
      stopped: () => fill(this.actions, h("button", { type: "button", onclick: () => this.begin() }, "Measure again")),
    });
    this.actions = h("div", { class: "believe-actions" });
    this.body = h("div", { class: "believe-body" });
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.append(h("h3", {}, "Can I believe this map?"), this.measuring.element, this.actions, this.body);
    const { comparison, measuring } = this.result;
    if (comparison) this.show(comparison, false);
    else if (measuring) this.measuring.resume(measuring);
    else this.begin();
  }

  disconnectedCallback() {
    this.measuring.close();
  }

  begin() {
    fill(this.actions);
    this.measuring.begin(() => post(`/results/${encodeURIComponent(this.result.key)}/comparison`));
  }

  /**
   * @param {string} key
   * @param {boolean} fresh whether it was measured just now
   */
  async show(key, fresh) {
    try {
      const comparison = await get(`/comparisons/${encodeURIComponent(key)}`);
      const { cards, pictures } = comparison.document;
      const [card] = cards;
      fill(this.body,
        h("div", { class: "believe-verdict" }, card.trust && trustMark(card.trust), reasons([card])),
        cardTable(cards.filter((/** @type {any} */ one) => !one.control || one.name === "sobel"), `Scorecard of ${card.title}`, false),
        h("p", { class: "small muted" }, `Measured on this picture, for \u201c${pictures[0].target}\u201d. `,
          "Several pictures say more: ",
          h("a", { href: this.others() }, "compare methods"), ". ",
          h("a", { href: comparison.page }, "Maps and controls side by side"), "."),
        meanings(cards));
      this.result.comparison = key;
      if (!fresh) return;
      announce(`Measured: ${card.trust ?? card.failed}.`);
      this.dispatchEvent(new CustomEvent("measured", { bubbles: true }));
    } catch (error) {
      fill(this.body, problem(error));
    }
  }

  /** @returns {string} the page that compares this method with the usual ones */
  others() {
    const { document, picture } = this.result;
    return compareHref({ model: document.model.name, pictures: [picture.digest], beside: document.visualization.name });
  }
}

customElements.define("picasso-believe", PicassoBelieve);
