/** The best classes as bars that move; a row keeps its class, and moves to its new place. */

import { h } from "../dom.js";
import { number, percent } from "../format.js";

const ROW_PX = 44;
const SETTLED_MS = 600;

/** @typedef {{index: number, label: string, probability: number}} ClassNumber */

/** Calls `choose` with a class when somebody wants it explained. */
export class MovingClasses {
  /** @param {(index: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.list = h("ol", { class: "live-rows" });
    this.about = h("span", { class: "muted" });
    this.element = h("section", { class: "live-classes", "aria-label": "What the model says" },
      h("h3", {}, "What the model says ", this.about), this.list);
    /** By index and label: another model's class of the same index is another row.
     *  @type {Map<string, {row: HTMLElement, bar: HTMLElement, amount: HTMLElement, name: HTMLButtonElement}>} */
    this.rows = new Map();
    /** @type {string[]} the order that the list has, or will have soon */
    this.order = [];
    this.settling = 0;
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
    const keys = classes.map(keyOf);
    for (const [key, { row }] of this.rows) {
      if (keys.includes(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    classes.forEach((one, place) => {
      const { index, probability } = one;
      const { row, bar, amount, name } = this.rows.get(keyOf(one)) ?? this.#add(one);
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
    this.#settleLater(keys);
  }

  /**
   * Gives the list itself the order that is seen, once it has held for a while: a row that is moved at once would jump.
   *
   * @param {string[]} keys best first
   */
  #settleLater(keys) {
    if (keys.join("\n") === this.order.join("\n")) return;
    this.order = keys;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      if (this.list.contains(document.activeElement)) this.order = []; // a row that is moved loses its focus: later
      else this.list.append(...keys.flatMap((key) => this.rows.get(key)?.row ?? []));
    }, SETTLED_MS);
  }

  /** @param {ClassNumber} one */
  #add(one) {
    const { index, label } = one;
    const bar = h("span", { class: "bar-fill" });
    const amount = h("span", { class: "class-amount" });
    const name = h("button", { type: "button", class: "text", title: `Always show the map for ${label}`, onclick: () => this.choose(index) }, label);
    const row = h("li", { "data-label": label }, name, amount, h("span", { class: "class-bar", "aria-hidden": "true" }, bar));
    this.list.append(row);
    const made = { row, bar, amount, name };
    this.rows.set(keyOf(one), made);
    return made;
  }
}

/** @param {ClassNumber} one */
function keyOf({ index, label }) {
  return `${index} ${label}`;
}
