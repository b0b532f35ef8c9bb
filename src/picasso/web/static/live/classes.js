/** The best classes as bars that move; a row keeps its class, and moves to its new place. */

import { h } from "../dom.js";
import { number, percent } from "../format.js";

const ROW_PX = 44;

/** @typedef {{index: number, label: string, probability: number}} ClassNumber */

/** Events: none; `onchoose` is called with a label when somebody wants this class explained. */
export class MovingClasses {
  /** @param {(label: string) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.list = h("ol", { class: "live-rows" });
    this.about = h("span", { class: "muted" });
    this.element = h("section", { class: "live-classes", "aria-label": "What the model says" },
      h("h3", {}, "What the model says ", this.about), this.list);
    /** @type {Map<number, {row: HTMLElement, bar: HTMLElement, amount: HTMLElement, name: HTMLButtonElement}>} */
    this.rows = new Map();
  }

  /**
   * @param {ClassNumber[]} classes best first
   * @param {number | null} explained index of the class that the map is of
   * @param {string} certainty what the numbers are
   * @param {boolean} choosable whether the map can be kept on one of them
   */
  show(classes, explained, certainty, choosable) {
    const scores = certainty === "score";
    const largest = Math.max(1e-9, ...classes.map(({ probability }) => Math.abs(probability)));
    this.about.textContent = certainty === "probability" ? "" : certainty;
    for (const [index, { row }] of this.rows) {
      if (classes.some((one) => one.index === index)) continue;
      row.remove();
      this.rows.delete(index);
    }
    classes.forEach(({ index, label, probability }, place) => {
      const { row, bar, amount, name } = this.rows.get(index) ?? this.#add(index, label);
      row.style.transform = `translateY(${place * ROW_PX}px)`;
      row.dataset.place = String(place);
      row.dataset.probability = String(probability);
      row.classList.toggle("explained", index === explained);
      name.disabled = !choosable;
      name.setAttribute("aria-pressed", String(index === explained));
      bar.style.width = `${Math.min(1, Math.abs(probability) / (scores ? largest : 1)) * 100}%`;
      amount.textContent = scores ? number(probability) : percent(probability);
    });
    this.list.style.height = `${classes.length * ROW_PX}px`;
  }

  /**
   * @param {number} index
   * @param {string} label
   */
  #add(index, label) {
    const bar = h("span", { class: "bar-fill" });
    const amount = h("span", { class: "class-amount" });
    const name = h("button", { type: "button", class: "text", title: `Always show the map for ${label}`, onclick: () => this.choose(label) }, label);
    const row = h("li", { "data-label": label }, name, amount, h("span", { class: "class-bar", "aria-hidden": "true" }, bar));
    this.list.append(row);
    const made = { row, bar, amount, name };
    this.rows.set(index, made);
    return made;
  }
}
