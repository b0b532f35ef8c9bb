/** Step 3: the visualizations; those that do not fit the model are shown with the reason. */

import { list } from "../api.js";
import { fill, focusOn, h } from "../dom.js";
import { problem } from "./problem.js";

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */

/** Events: "change" when another one is chosen. */
export class VisualizationList extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    this.place = place;
    /** @type {VisualizationInfo[]} */
    this.known = [];
    this.chosen = "";
    /** @type {import("../types.js").Model | undefined} */
    this.model = undefined;
  }

  /** @returns {VisualizationInfo | undefined} */
  get visualization() {
    return this.known.find((one) => one.name === this.chosen);
  }

  /** @param {string} wanted */
  async load(wanted) {
    try {
      this.known = await list("/visualizations");
    } catch (error) {
      fill(this.place, problem(error, { label: "Try again", act: () => this.load(wanted) }));
      return;
    } finally {
      this.place.removeAttribute("aria-busy");
    }
    this.chosen = this.known.some((one) => one.name === wanted) ? wanted : "";
    this.settle();
  }

  /** @param {import("../types.js").Model | undefined} model */
  fitTo(model) {
    this.model = model;
    if (this.known.length) this.settle();
  }

  /** Moves to one that fits where the chosen one does not. */
  settle() {
    const before = this.shown;
    if (!this.visualization || this.reason(this.visualization)) {
      const fitting = this.known.filter((one) => !this.reason(one));
      const usual = fitting.find((one) => one.name === "partial-occlusion");
      this.chosen = (usual ?? fitting[0])?.name ?? "";
    }
    this.draw();
    this.shown = `${this.chosen} ${this.model?.name} ${this.model?.state}`;
    if (before !== this.shown) this.dispatchEvent(new Event("change"));
  }

  /**
   * @param {VisualizationInfo} one
   * @returns {string} why it cannot be used; "" where it can
   */
  reason(one) {
    if (one.error) return "It is broken: see Visualizations.";
    const { card } = this.model ?? {};
    if (!card) return "";
    if (card.visualizations?.[one.name] !== undefined) return card.visualizations[one.name];
    const lacking = (one.needs ?? []).filter((need) => !card.capabilities.includes(need));
    return lacking.length ? `It needs ${lacking.join(", ")}, which this ${card.framework} model lacks.` : "";
  }

  /** @param {string} name */
  choose(name) {
    this.chosen = name;
    this.settle();
  }

  draw() {
    const focused = this.place.contains(document.activeElement);
    fill(this.place, h("div", { role: "radiogroup", "aria-labelledby": "step-visualization", class: "cards" },
      this.known.map((one) => {
        const reason = this.reason(one);
        const chosen = one.name === this.chosen;
        return h("label", { class: ["card slim", chosen && "chosen", reason && "unfit"], "data-visualization": one.name },
          h("input", {
            type: "radio", name: "visualization", value: one.name, disabled: Boolean(reason),
            props: { checked: chosen }, onchange: () => this.choose(one.name),
          }),
          h("span", { class: "card-body" },
            h("span", { class: "card-title" }, one.title || one.name),
            h("span", { class: "card-facts" }, reason || one.description)));
      })));
    if (focused) focusOn(this.place, "input:checked");
  }
}
