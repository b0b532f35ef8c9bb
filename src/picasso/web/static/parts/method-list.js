/** Step 3 of a comparison: the methods; those that do not fit the model say why. */

import { list } from "../api.js";
import { fill, h } from "../dom.js";
import { byFamily } from "./families.js";
import { problem } from "./problem.js";

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */

const USUAL = ["partial-occlusion", "saliency-map", "grad-cam"];

/** Events: "change" when others are chosen. */
export class MethodList extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {string[]} wanted names; empty for the usual ones
   * @param {string | null} beside one beside the usual ones
   */
  constructor(place, wanted, beside) {
    super();
    this.place = place;
    this.wanted = new Set(wanted.length ? wanted : [...USUAL, beside ?? ""].filter(Boolean));
    /** @type {VisualizationInfo[]} */
    this.known = [];
    /** @type {import("../types.js").Model | undefined} */
    this.model = undefined;
  }

  async load() {
    try {
      this.known = (await list("/visualizations")).filter((one) => one.attributes && !one.error);
      this.draw();
    } catch (error) {
      fill(this.place, problem(error, { label: "Try again", act: () => this.load() }));
    } finally {
      this.place.removeAttribute("aria-busy");
    }
  }

  /** @param {import("../types.js").Model | undefined} model */
  fitTo(model) {
    this.model = model;
    this.draw();
  }

  /** @param {VisualizationInfo} one */
  reason(one) {
    return this.model?.card?.visualizations?.[one.name] ?? "";
  }

  /** @returns {string[]} names of the chosen methods that fit */
  get chosen() {
    return this.known.filter((one) => this.wanted.has(one.name) && !this.reason(one)).map((one) => one.name);
  }

  draw() {
    const focused = /** @type {HTMLInputElement | null} */ (this.place.contains(document.activeElement) ? document.activeElement : null)?.value;
    const fitting = this.known.filter((one) => !this.reason(one));
    const unfit = this.known.filter((one) => this.reason(one));
    fill(this.place,
      h("fieldset", { "aria-labelledby": "step-methods" }, byFamily(fitting).map(({ family, members }) =>
        h("div", { class: "method-family", role: "group", "aria-label": family },
          h("p", { class: "family-name", "aria-hidden": "true" }, family),
          h("div", { class: "methods" }, members.map((one) => this.choice(one)))))),
      unfit.length > 0 && h("details", { class: "unfit-methods" },
        h("summary", {}, `${unfit.length} that do not fit this model`),
        h("ul", {}, unfit.map((one) => h("li", {}, h("b", {}, one.title), " ", h("span", { class: "muted" }, this.reason(one)))))));
    if (focused) /** @type {HTMLElement | null} */ (this.place.querySelector(`input[value="${CSS.escape(focused)}"]`))?.focus();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {VisualizationInfo} one */
  choice(one) {
    return h("label", { class: "method", title: one.description },
      h("input", {
        type: "checkbox", value: one.name, props: { checked: this.wanted.has(one.name) },
        onchange: (/** @type {Event} */ event) => {
          if (/** @type {HTMLInputElement} */ (event.target).checked) this.wanted.add(one.name);
          else this.wanted.delete(one.name);
          this.dispatchEvent(new Event("change"));
        },
      }), h("span", {}, one.title));
  }
}
