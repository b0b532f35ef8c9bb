/** A picture before and after one property of it was another picture's: one over the other, with a divider to drag. */

import { fill, h } from "../dom.js";
import { percent, wholePercent } from "../format.js";

const STEP = 2;
const CLASSES_SHOWN = 2;

/**
 * @param {any} pair a pair of an audit
 * @param {any} effect of its property
 * @returns {string} what was done to the picture
 */
export function done({ source, property }, effect) {
  if (effect?.role === "erasure") return "Only its object is erased.";
  return `Only ${effect?.what.phrase ?? property} is taken from ${source}.`;
}

/**
 * @param {any} pair a pair of an audit, its pictures as addresses
 * @param {string[]} classes
 * @param {string} change what was done to it, one sentence
 * @param {string | undefined} digest of the picture, where it can be explained
 * @param {string} model
 * @returns {HTMLElement}
 */
export function beforeAfter(pair, classes, change, digest, model) {
  const { name, label, before, after, probabilities } = pair;
  const [height, width] = before.shape;
  const image = (/** @type {any} */ one, /** @type {string} */ alt) => h("img", { src: `${one.url}.png`, alt, width, height, draggable: "false" });
  const top = h("div", { class: "divided-top" }, image(after, `${name} after. ${change}`));
  const bar = h("span", { class: "divided-bar", "aria-hidden": "true" });
  const slider = h("input", {
    type: "range", min: "0", max: "100", step: String(STEP), value: "50", class: "divided-slider",
    "aria-label": "Divider: before on its left, after on its right", oninput: () => move(),
  });
  const move = () => {
    const at = Number(slider.value);
    top.style.clipPath = `inset(0 0 0 ${at}%)`;
    bar.style.left = `${at}%`;
    slider.setAttribute("aria-valuetext", `${at}% before, ${100 - at}% after`);
  };
  move();
  const board = h("div", { class: "divided" }, image(before, `${name} as it is`), top, bar,
    h("span", { class: "divided-word before", "aria-hidden": "true" }, "before"), h("span", { class: "divided-word after", "aria-hidden": "true" }, "after"), slider);
  board.style.aspectRatio = `${width} / ${height}`;
  return h("figure", { class: "before-after" }, board,
    h("figcaption", {},
      h("p", { class: "before-after-what" }, h("b", {}, name), ` is ${classes[label]}. ${change}`),
      answers(classes, probabilities, label),
      digest && h("a", { class: "small", href: explainHref(model, digest) }, "Explain this picture")));
}

/**
 * @param {string} model
 * @param {string} digest
 */
export function explainHref(model, digest) {
  return `/explain?${new URLSearchParams({ model, picture: digest })}`;
}

/**
 * The probabilities of its own class and of those that gain most, before and after.
 *
 * @param {string[]} classes
 * @param {[number[], number[]]} probabilities
 * @param {number} label
 */
function answers(classes, [before, after], label) {
  const others = classes.map((_, number) => number).filter((number) => number !== label)
    .sort((a, b) => (after[b] - before[b]) - (after[a] - before[a]));
  return h("table", { class: "answers" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "The model says"), h("th", { scope: "col" }, "before"), h("th", { scope: "col" }, "after"))),
    h("tbody", {}, [label, ...others.slice(0, CLASSES_SHOWN - 1)].map((number) => h("tr", {},
      h("th", { scope: "row" }, classes[number]), chance(before[number]), chance(after[number])))));
}

/** @param {number} share 0..1 */
function chance(share) {
  const meter = h("span", { class: "bar-fill" });
  meter.style.width = `${share * 100}%`;
  return h("td", { title: percent(share) }, h("span", { class: "answer-share" }, wholePercent(share)), h("span", { class: "answer-bar", "aria-hidden": "true" }, meter));
}

/** The pairs of an audit, one at a time, with the others below to choose from. */
export class Pairs {
  /**
   * @param {any[]} pairs
   * @param {{classes: string[], effects: Map<string, any>, shown: Record<string, string>, model: string}} audit
   */
  constructor(pairs, audit) {
    this.pairs = pairs;
    this.audit = audit;
    this.place = h("div", { class: "pairs-place" });
    this.buttons = pairs.map((pair, number) => h("button", {
      type: "button", class: "pair-choice", "aria-label": `${pair.name}: ${this.audit.effects.get(pair.property)?.what.title ?? pair.property}`, onclick: () => this.show(number),
    }, h("img", { src: `${pair.after.url}.png`, alt: "", width: 64, height: 64, loading: "lazy" })));
    this.element = h("section", { class: "pairs", "aria-label": "Pictures before and after" }, this.place,
      pairs.length > 1 && h("div", { class: "pair-choices", role: "group", "aria-label": "Other pictures" }, this.buttons));
    this.show(0);
  }

  /** @param {number} number */
  show(number) {
    const { classes, effects, shown, model } = this.audit;
    const pair = this.pairs[number];
    fill(this.place, beforeAfter(pair, classes, done(pair, effects.get(pair.property)), shown[pair.name], model));
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === number)));
  }

  /** @param {string} property shows the first pair of it; says whether there is one */
  showOf(property) {
    const number = this.pairs.findIndex((pair) => pair.property === property);
    if (number >= 0) this.show(number);
    return number >= 0;
  }
}
