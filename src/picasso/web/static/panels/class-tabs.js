/** The classes that were explained, one click away, each with its probability as a bar. */

import { fill, h } from "../dom.js";
import { number, percent } from "../format.js";

/**
 * @typedef {object} ClassTab
 * @property {string} id
 * @property {string} label
 * @property {number | null} probability
 * @property {number} score
 */

export class ClassTabs {
  /**
   * @param {string} controls id of the element that shows the chosen class
   * @param {(id: string) => void} choose
   */
  constructor(controls, choose) {
    this.controls = controls;
    this.choose = choose;
    this.element = h("div", { class: "class-tabs", role: "tablist", "aria-label": "Explained classes" });
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
  }

  /**
   * @param {ClassTab[]} tabs
   * @param {string} selected
   */
  show(tabs, selected) {
    const focused = this.element.contains(document.activeElement);
    fill(this.element, tabs.map((tab) => {
      const chosen = tab.id === selected;
      const amount = tab.probability === null || tab.probability === undefined
        ? `score ${number(tab.score)}`
        : percent(tab.probability);
      const fillBar = h("span", { class: "tab-fill" });
      fillBar.style.width = `${Math.max(0, Math.min(1, tab.probability ?? 0)) * 100}%`;
      return h("button",
        {
          type: "button", role: "tab", class: "class-tab", "data-tab": tab.id, "aria-selected": String(chosen),
          "aria-controls": this.controls, tabindex: chosen ? "0" : "-1", title: tab.label,
          onclick: () => this.choose(tab.id),
        },
        h("span", { class: "tab-label" }, tab.label),
        h("span", { class: "tab-amount" }, amount),
        typeof tab.probability === "number" && h("span", { class: "tab-bar", "aria-hidden": "true" }, fillBar));
    }));
    if (focused) this.element.querySelector('[aria-selected="true"]')?.focus();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const tabs = [...this.element.querySelectorAll("[role=tab]")];
    const at = tabs.findIndex((tab) => tab.getAttribute("aria-selected") === "true");
    /** @type {Record<string, number>} */
    const places = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    this.choose(tabs.at(places[event.key] % tabs.length).dataset.tab);
  }
}
