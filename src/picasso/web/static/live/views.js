/** Which visualizations are quick enough to watch, and how they are chosen: the view, the class, the channel. */

import { fill, h } from "../dom.js";
import { byFamily } from "../parts/families.js";

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */
/** @typedef {import("../types.js").Card} Card */

const FIRST = ["grad-cam", "saliency-map", "activations"];
/** What is looked through at first, where the model can. */
const PERTURBATION = "Perturbation";
/** It runs the model hundreds of times for one map; the server refuses it here, too. */
const BEST = -1;

/**
 * @param {VisualizationInfo[]} known
 * @returns {VisualizationInfo[]} those that give a map of each frame
 */
export function quick(known) {
  return known.filter((one) => !one.error && one.subject === "pictures"
    && (one.name === "activations" || (one.attributes && one.family !== PERTURBATION)));
}

/**
 * @param {VisualizationInfo} view
 * @returns {any} the schema of what can be chosen here: of the activations the layer alone
 */
export function schemaOf(view) {
  if (view.name !== "activations") return view.schema;
  return { ...view.schema, properties: { layer: view.schema.properties.layer } };
}

/** Events: "change" when another view, class or channel is chosen. */
export class Choices extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    this.place = place;
    /** @type {VisualizationInfo[]} */
    this.known = [];
    /** @type {Card | null} */
    this.card = null;
    this.name = "";
    /** The class that the map is of, and what it is called: two classes may be called the same. */
    this.index = BEST;
    this.label = "";
    /** @type {number | null} */
    this.channel = null;
  }

  /** @returns {VisualizationInfo | undefined} */
  get view() {
    const fits = (/** @type {string} */ name) => this.known.find((one) => one.name === name && !this.#reason(one));
    return fits(this.name) ?? FIRST.map(fits).find(Boolean) ?? this.known.find((one) => !this.#reason(one));
  }

  /** Whether the map can be kept on a class: a detector's is that of a detection, whatever its class. */
  get choosable() {
    return Boolean(this.view?.attributes) && this.card?.task !== "detection";
  }

  /** @returns {number | null} which of the classes of its name is chosen; null where there is only one */
  get which() {
    return this.card && this.card.labels.indexOf(this.label) !== this.card.labels.lastIndexOf(this.label) ? this.index : null;
  }

  /** @returns {number | null} the class to explain; null for the best one of each frame */
  get target() {
    return this.choosable && this.index !== BEST ? this.index : null;
  }

  /** @param {Card | null} card */
  show(card) {
    this.card = card;
    if (!this.known.length) return;
    const { view } = this;
    if (!card || !view) {
      fill(this.place, card && h("p", { class: "result-note" }, "No visualization that is quick enough fits this model."));
      return;
    }
    if (!this.label || card.labels[this.index] !== this.label) this.index = this.label ? card.labels.indexOf(this.label) : BEST;
    this.label = card.labels[this.index] ?? "";
    fill(this.place, this.#views(view), h("p", { class: "field-hint" }, view.description),
      view.attributes ? this.choosable && this.#classes(card.labels) : this.#channels());
  }

  /** @param {VisualizationInfo} one */
  #reason(one) {
    return this.card?.visualizations?.[one.name] ?? "";
  }

  /** @param {VisualizationInfo} chosen */
  #views(chosen) {
    const select = h("select", { id: "view-choice", onchange: () => this.#set({ name: select.value, channel: null }) },
      byFamily(this.known).map(({ family, members }) => h("optgroup", { label: family }, members.map((one) => h("option", {
        value: one.name, props: { selected: one === chosen }, disabled: Boolean(this.#reason(one)), title: this.#reason(one) || null,
      }, one.title)))));
    return h("div", { class: "field" }, h("label", { class: "field-title", for: "view-choice" }, "View"), select);
  }

  /** @param {string[]} labels */
  #classes(labels) {
    const twice = new Set(labels.filter((label, i) => labels.indexOf(label) !== i));
    const select = h("select", { id: "class-choice", onchange: () => this.#explain(Number(select.value)) },
      h("option", { value: BEST, props: { selected: this.index === BEST } }, "The best class of each frame"),
      labels.map((label, i) => h("option", { value: i, props: { selected: i === this.index } }, twice.has(label) ? `${label} (class ${i})` : label)));
    return h("div", { class: "field" }, h("label", { class: "field-title", for: "class-choice" }, "Class that the map is of"), select);
  }

  #channels() {
    const input = h("input", {
      type: "number", min: 0, step: 1, id: "channel-choice", value: this.channel ?? "", placeholder: "all: their mean size", inputmode: "numeric",
      onchange: () => this.#set({ channel: input.value === "" ? null : Math.max(0, Math.round(Number(input.value))) }),
    });
    return h("div", { class: "field" }, h("label", { class: "field-title", for: "channel-choice" }, "Channel"), input);
  }

  /** @param {Partial<{name: string, index: number, label: string, channel: number | null}>} changes */
  #set(changes) {
    const id = document.activeElement?.id;
    Object.assign(this, changes);
    this.show(this.card);
    if (id) document.getElementById(id)?.focus();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} index BEST for the best class of each frame */
  #explain(index) {
    this.#set({ index, label: this.card?.labels[index] ?? "" });
  }

  /** @param {number} index of a class; chosen again it is let go */
  choose(index) {
    this.#explain(index === this.index ? BEST : index);
  }
}
