/** The parts of a network: itself, its layers, its classes; each is a link that can be kept. */

import { fill, h } from "../dom.js";
import { levelOf } from "./network-views.js";

/** @typedef {import("../types.js").Card} Card */
/** @typedef {import("./network-views.js").Chosen} Chosen */

const CLASSES_SHOWN = 60;
const WIDE_PX = 900;
const NOTHING = { layer: "", channel: null, label: "" };

/** Events: "choose", whose `detail` is what was chosen. */
export class PartList extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {(chosen: Chosen) => string} hrefOf the address of a part
   */
  constructor(place, hrefOf) {
    super();
    this.place = place;
    this.hrefOf = hrefOf;
    /** @type {Chosen} */
    this.chosen = NOTHING;
    /** @type {Card | null} */
    this.card = null;
    this.layers = finder("Search the layers", () => this.fillLayers());
    this.classes = finder("Search the classes", () => this.fillClasses());
    this.whole = h("p", { class: "part-whole" });
    this.layersPart = h("details", { class: "network-part" });
    this.classesPart = h("details", { class: "network-part" });
    this.layersPart.open = innerWidth > WIDE_PX;
    this.place.addEventListener("click", (event) => this.#follow(event));
    this.place.addEventListener("keydown", (event) => this.#move(event));
  }

  /**
   * @param {Card | null} card
   * @param {Chosen} chosen
   */
  show(card, chosen) {
    const other = card !== this.card;
    this.card = card;
    this.chosen = chosen;
    if (!card) {
      fill(this.place);
      return;
    }
    fill(this.whole, this.link(NOTHING, "The whole network", ""));
    if (other) {
      fill(this.layersPart, h("summary", {}, "Layers ", h("span", { class: "muted" }, String(card.layers.length))), this.layers.element);
      fill(this.classesPart, h("summary", {}, "Classes ", h("span", { class: "muted" }, card.labels.length.toLocaleString("en-US"))), this.classes.element);
      fill(this.place, this.whole, card.layers.length > 0 && this.layersPart, this.classesPart);
    }
    if (levelOf(chosen) === "class") this.classesPart.open = true;
    this.fillLayers();
    this.fillClasses();
    // The list moves to what is chosen; the page stays where it is.
    for (const { list } of [this.layers, this.classes]) {
      const line = list.querySelector("[aria-current]");
      if (!line) continue;
      const seen = list.getBoundingClientRect();
      const at = line.getBoundingClientRect();
      if (at.top < seen.top || at.bottom > seen.bottom) list.scrollTop += at.top - seen.top - seen.height / 3;
    }
  }

  fillLayers() {
    const found = (this.card?.layers ?? []).filter(({ name, kind }) => has(`${name} ${kind}`, this.layers.input.value));
    fill(this.layers.list, found.map(({ name, kind, shape }) =>
      h("li", {}, this.link({ ...NOTHING, layer: name }, name, `${kind} \u00b7 ${shape.join(" \u00d7 ")}`))));
    this.layers.none.hidden = found.length > 0;
  }

  fillClasses() {
    const found = (this.card?.labels ?? []).filter((label) => has(label, this.classes.input.value));
    const { label } = this.chosen;
    const shown = found.slice(0, CLASSES_SHOWN);
    if (label && found.includes(label) && !shown.includes(label)) shown.unshift(label);
    fill(this.classes.list, shown.map((one) => h("li", {}, this.link({ ...NOTHING, label: one }, one, ""))),
      found.length > shown.length && h("li", { class: "muted small" }, `and ${(found.length - shown.length).toLocaleString("en-US")} more: search for them`));
    this.classes.none.hidden = found.length > 0;
  }

  /**
   * @param {Chosen} to
   * @param {string} name
   * @param {string} facts
   */
  link(to, name, facts) {
    const { layer, label } = this.chosen;
    const current = to.layer === layer && to.label === label;
    return h("a", { href: this.hrefOf(to), "aria-current": current && "true", "data-layer": to.layer || null, "data-class": to.label || null },
      h("span", { class: "part-name" }, name), facts && h("span", { class: "part-facts" }, facts));
  }

  /** @param {MouseEvent} event */
  #follow(event) {
    const link = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("a"));
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    const { layer = "", class: label = "" } = /** @type {any} */ (link.dataset);
    this.dispatchEvent(new CustomEvent("choose", { detail: { layer, channel: null, label } }));
  }

  /** @param {KeyboardEvent} event arrow keys go from link to link */
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = /** @type {HTMLElement[]} */ ([...this.place.querySelectorAll("a")].filter((one) => one.checkVisibility()));
    const at = links.indexOf(/** @type {any} */ (document.activeElement));
    if (!step || at < 0) return;
    event.preventDefault();
    links[Math.min(links.length - 1, Math.max(0, at + step))].focus();
  }
}

/**
 * @param {string} words
 * @param {() => void} changed
 */
function finder(words, changed) {
  const input = h("input", {
    type: "search", placeholder: words, "aria-label": words, autocomplete: "off", oninput: changed,
  });
  const list = h("ul", { class: "part-list" });
  const none = h("p", { class: "muted small", role: "status", hidden: true }, "None of that name.");
  return { input, list, none, element: h("div", {}, input, list, none) };
}

/**
 * @param {string} text
 * @param {string} wanted
 */
function has(text, wanted) {
  return wanted.toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));
}
