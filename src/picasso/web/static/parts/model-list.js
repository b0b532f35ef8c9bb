/** Step 1: the models that the server knows, as cards to choose from. */

import { list, post } from "../api.js";
import { announce, fill, focusOn, h } from "../dom.js";
import { inputSize, plural } from "../format.js";
import { advice, problem } from "./problem.js";

/** @typedef {import("../types.js").Model} Model */

const POLL_MS = 700;
const STATES = { new: "opens when it is chosen", opening: "opening\u2026", ready: "", failed: "failed to open" };

/** Events: "change" when another model is chosen, or more is known of the chosen one. */
export class ModelList extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {{allowAdd: boolean}} options
   */
  constructor(place, { allowAdd }) {
    super();
    this.place = place;
    this.allowAdd = allowAdd;
    /** @type {Model[]} */
    this.models = [];
    this.chosen = "";
    this.timer = 0;
  }

  /** @returns {Model | undefined} */
  get model() {
    return this.models.find((model) => model.name === this.chosen);
  }

  /** @param {string} [wanted] the model to choose, where it exists */
  async load(wanted = this.chosen) {
    clearTimeout(this.timer);
    const before = this.model?.state;
    try {
      this.models = await list("/models");
    } catch (error) {
      fill(this.place, problem(error, { label: "Try again", act: () => this.load(wanted) }));
      return;
    } finally {
      this.place.removeAttribute("aria-busy");
    }
    const names = this.models.map((model) => model.name);
    const first = this.models.find((model) => model.state !== "failed") ?? this.models[0];
    const choice = names.includes(wanted) ? wanted : names.includes(this.chosen) ? this.chosen : first?.name ?? "";
    const changed = choice !== this.chosen;
    this.chosen = choice;
    this.draw();
    if (changed || before !== this.model?.state) this.#changed();
    if (this.model?.state === "new") this.open(this.chosen);
    if (this.models.some((model) => model.state === "opening")) {
      this.timer = window.setTimeout(() => this.load(), POLL_MS);
    }
  }

  /** @param {string} name */
  choose(name) {
    if (name === this.chosen) return;
    this.chosen = name;
    this.draw();
    this.#changed();
    if (this.model?.state === "new") this.open(name);
  }

  /** @param {string} name */
  async open(name) {
    const model = this.models.find((one) => one.name === name);
    if (model) model.state = "opening";
    this.draw();
    this.#changed();
    try {
      await post(`/models/${encodeURIComponent(name)}/open`);
    } catch (error) {
      if (model) Object.assign(model, { state: "failed", error });
      this.draw();
      this.#changed();
      return;
    }
    this.timer = window.setTimeout(() => this.load(), POLL_MS);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    if (!this.models.length) {
      fill(this.place, h("div", { class: "empty small-empty" },
        h("p", {}, "No model yet. Start Picasso with one:"),
        h("pre", { tabindex: "0" }, h("code", {}, "picasso serve --model my_model.keras")),
        this.allowAdd && h("a", { class: "button", href: "/models" }, "Add a model")));
      return;
    }
    const focused = this.place.contains(document.activeElement);
    const others = this.models.length - 1;
    this.place.classList.toggle("folds", others > 2);
    fill(this.place,
      others > 2 && h("button", {
        type: "button", class: "text unfold", "aria-expanded": String(this.place.classList.contains("unfolded")),
        onclick: () => {
          this.place.classList.toggle("unfolded");
          this.draw();
          focusOn(this.place, ".unfold");
        },
      }, this.place.classList.contains("unfolded") ? "Only the chosen one" : `Change (${others} others)`),
      h("div", { role: "radiogroup", "aria-labelledby": "step-model", class: "cards" },
        this.models.map((model) => this.card(model))),
      h("p", { class: "more" }, h("a", { href: "/models" }, this.allowAdd ? "Layers and notes, or add a model" : "Layers and notes")));
    if (focused) focusOn(this.place, "input:checked");
  }

  /** @param {Model} model */
  card(model) {
    const { card, state, name } = model;
    const chosen = name === this.chosen;
    const facts = card
      ? [card.framework, card.task !== "classification" && card.task, inputSize(card.input_shape), plural(card.labels.length, "class", "classes"),
        card.head === "none" ? "no head" : card.head].filter(Boolean).join(" \u00b7 ")
      : STATES[state];
    return h("label", { class: ["card", chosen && "chosen"], "data-state": state, "data-model": name },
      h("input", {
        type: "radio", name: "model", value: name, props: { checked: chosen }, onchange: () => this.choose(name),
      }),
      h("span", { class: "card-body" },
        h("span", { class: "card-title" }, name),
        h("span", { class: "card-facts" }, facts),
        chosen && card && h("span", { class: "card-facts card-labels" }, labelsLine(card.labels)),
        chosen && state === "failed" && model.error && failure(model.error, () => this.open(name))),
      h("span", { class: "dot", "data-state": state, role: "img", "aria-label": state, title: state }));
  }
}

/** @param {string[]} labels */
function labelsLine(labels) {
  const shown = labels.slice(0, 4).join(" · ");
  return labels.length > 4 ? `${shown}, \u2026` : shown;
}

/**
 * @param {import("../types.js").Problem} error
 * @param {() => void} again
 */
function failure(error, again) {
  announce(error.message);
  return h("span", { class: "card-error" },
    h("strong", {}, error.message), " ", advice(error), " ",
    h("button", {
      type: "button", class: "text", onclick: (/** @type {Event} */ event) => {
        event.preventDefault();
        again();
      },
    }, "Try again"));
}
