/** Step 3: the visualizations by family; those that do not fit the model are shown with the reason. */

import { list } from "../api.js";
import { fill, focusOn, h } from "../dom.js";
import { byFamily, search } from "./families.js";
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
    /** @type {Map<string, HTMLElement>} by name */
    this.cards = new Map();
    /** @type {Map<string, HTMLElement>} by family */
    this.groups = new Map();
    this.chosen = "";
    /** @type {import("../types.js").Model | undefined} */
    this.model = undefined;
    this.search = h("input", {
      type: "search", class: "search", placeholder: "Search by name or idea", "aria-label": "Search the visualizations",
      autocomplete: "off", oninput: () => this.filter(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.take(event),
    });
    this.box = h("div", { class: "families", role: "radiogroup", "aria-labelledby": "step-visualization" });
    new ResizeObserver(() => this.search.value.trim() || this.reveal()).observe(this.box);
    this.none = h("p", { class: "small-empty muted", hidden: true, role: "status" }, "None of that name.");
  }

  /** @returns {VisualizationInfo | undefined} */
  get visualization() {
    return this.known.find((one) => one.name === this.chosen);
  }

  /** @param {string} wanted */
  async load(wanted) {
    try {
      this.known = (await list("/visualizations")).filter((one) => one.subject === "pictures");
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

  /** Shows what the search means, the best first; without a search all of them in their order. */
  filter() {
    const wanted = this.search.value.trim();
    const found = search(this.known, wanted);
    for (const one of this.box.querySelectorAll(".family, [data-visualization]")) one.toggleAttribute("hidden", true);
    for (const { family, members } of found) {
      const group = /** @type {HTMLElement} */ (this.groups.get(family));
      for (const { name } of members) group.append(/** @type {HTMLElement} */ (this.cards.get(name)));
      this.box.append(group);
      for (const one of [group, ...members.map(({ name }) => this.cards.get(name))]) one?.toggleAttribute("hidden", false);
    }
    this.none.hidden = found.length > 0;
    if (wanted) this.box.scrollTop = 0;
    else this.reveal();
  }

  /** @param {KeyboardEvent} event in the search: Enter takes the first that is left, instead of starting the run */
  take(event) {
    // With Ctrl it starts the run, of what is chosen already.
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || !this.search.value.trim()) return;
    event.preventDefault();
    const left = search(this.known, this.search.value).flatMap(({ members }) => members).find((one) => !this.reason(one));
    if (!left) return;
    this.choose(left.name);
    focusOn(this.box, "input:checked");
  }

  /** Moves the chosen one into the part of the box that is seen, just below its family's name; the page stays where it is. */
  reveal() {
    const card = /** @type {HTMLElement | null} */ (this.box.querySelector(".chosen:not([hidden])"));
    const title = /** @type {HTMLElement | null} */ (card?.parentElement?.firstElementChild);
    if (!card || !title) return;
    const seen = this.box.getBoundingClientRect();
    const place = card.getBoundingClientRect();
    const top = seen.top + title.offsetHeight + this.box.clientTop;
    if (place.top < top || place.bottom > seen.bottom) this.box.scrollTop += place.top - top;
  }

  draw() {
    const focused = this.box.contains(document.activeElement);
    if (!this.box.isConnected) fill(this.place, this.search, this.box, this.none);
    const top = this.box.scrollTop;
    this.cards = new Map(this.known.map((one) => [one.name, this.card(one)]));
    this.groups = new Map(byFamily(this.known).map(({ family }) => [family,
      h("div", { class: "family", role: "group", "aria-label": family },
        h("p", { class: "family-name", "aria-hidden": "true" }, family))]));
    fill(this.box, ...this.groups.values());
    this.filter();
    this.box.scrollTop = top;
    this.reveal();
    if (focused) focusOn(this.box, "input:checked");
  }

  /** @param {VisualizationInfo} one */
  card(one) {
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
  }
}
