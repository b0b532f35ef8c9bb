/** What hangs on each property, as a forest plot: a line for each, its interval on one scale, more of it on demand. */

import { fill, h, icon } from "../dom.js";
import { number, plural, wholePercent } from "../format.js";
import { points, span } from "./points.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400;
const HEIGHT = 24;
/** Parts of what the object is: roles, and the threshold of each. @type {Record<string, string>} */
const PARTS = { surface: "SURFACE", size: "SIZE" };
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** @typedef {"suspects" | "open" | "cleared" | "all"} Filter */
/** @typedef {Record<string, number>} Thresholds of the audit, as it has written them down */

/**
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...Element} children
 */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {any} effect
 * @param {Thresholds} thresholds
 * @returns {boolean} whether less hangs on it than would make it a reason, over all classes and in each
 */
function cleared({ pictures, drop, falls }, { CLEAR, LEAST_CLEARED }) {
  return pictures >= LEAST_CLEARED && drop.high < CLEAR && !falls.length;
}

/** @param {string} role says whether an effect of it may count against the model */
function accuses(role) {
  return role === "property" || role in PARTS;
}

/**
 * @param {any} effect
 * @param {Thresholds} thresholds
 * @returns {boolean} whether it may count against the model and was neither relied on nor cleared
 */
function open(effect, thresholds) {
  return accuses(effect.role) && !effect.suspect && !cleared(effect, thresholds);
}

/**
 * @param {any} effect
 * @param {string[]} classes
 * @param {Thresholds} thresholds
 * @returns {string} what it says of the model
 */
function meaning(effect, classes, thresholds) {
  const { what: { phrase }, role, suspect, falls } = effect;
  if (!accuses(role)) return suspect ? "That is the right reason." : "It does not show that the model uses the object.";
  if (suspect) return `The model relies on ${phrase}.`;
  if (cleared(effect, thresholds)) return `Cleared: less than ${points(thresholds.CLEAR)} hang on ${phrase}.`;
  if (role in PARTS) return `A part of what the object is: against a model that uses the object it counts if it moves the margin by ${wholePercent(thresholds[PARTS[role]])} of what another object does.`;
  if (!falls.length) return `Not shown that the model relies on ${phrase}, nor that it does not.`;
  return `Not cleared: surely more than ${points(thresholds.DROP)} hang on ${phrase} in the pictures of ${falls.map((/** @type {number} */ i) => classes[i]).join(", ")}.`;
}

export class Forest {
  /**
   * @param {any} document of an audit
   * @param {(property: string) => boolean} illustrate shows the pictures of a property, where there are some
   */
  constructor(document, illustrate) {
    this.document = document;
    this.illustrate = illustrate;
    this.suspects = new Set(document.suspects);
    /** @type {Thresholds} */
    this.thresholds = document.record.thresholds;
    this.illustrated = new Set(document.pairs.map((/** @type {any} */ pair) => pair.property));
    const lows = document.effects.map((/** @type {any} */ one) => one.drop.low ?? 0);
    const highs = document.effects.map((/** @type {any} */ one) => one.drop.high ?? 0);
    this.low = Math.max(-1, Math.min(-0.1, ...lows));
    this.high = Math.min(1, Math.max(0.25, ...highs));
    this.rows = h("ul", { class: "forest" });
    /** @type {Filter} */
    const first = this.suspects.size ? "suspects" : "all";
    /** @type {[Filter, string][]} */
    const filters = [["suspects", "Suspects"], ["open", "Not cleared"], ["cleared", "Cleared"], ["all", "All"]];
    this.filter = h("span", { class: "segmented", role: "radiogroup", "aria-label": "Which properties" },
      filters.map(([name, words]) => h("label", {},
        h("input", { type: "radio", name: "forest", value: name, props: { checked: name === first }, onchange: () => this.show(name) }),
        h("span", {}, `${words} ${this.of(name).length}`))));
    this.element = h("div", { class: "forest-plot" }, this.filter, this.axis(), this.rows);
    this.show(first);
  }

  /** @param {Filter} name */
  of(name) {
    const { effects } = this.document;
    if (name === "suspects") return effects.filter((/** @type {any} */ one) => this.suspects.has(one.what.name));
    if (name === "all") return effects;
    if (name === "open") return effects.filter((/** @type {any} */ one) => open(one, this.thresholds));
    return effects.filter((/** @type {any} */ one) => accuses(one.role) && cleared(one, this.thresholds));
  }

  /** @param {Filter} name */
  show(name) {
    const found = this.of(name);
    fill(this.rows, found.length ? found.map((/** @type {any} */ one) => this.row(one)) : h("li", { class: "muted" }, "None."));
  }

  /** @param {number} share */
  x(share) {
    return ((Math.max(this.low, Math.min(this.high, share)) - this.low) / (this.high - this.low)) * WIDTH;
  }

  axis() {
    const ticks = TICKS.filter((tick) => tick >= this.low && tick <= this.high);
    const labels = ticks.map((tick) => {
      const label = h("span", {}, String(tick * 100));
      label.style.left = `${(this.x(tick) / WIDTH) * 100}%`;
      return label;
    });
    return h("div", { class: "forest-axis", "aria-hidden": "true" }, h("span", { class: "forest-axis-title" }, "points of accuracy that hang on it"), h("span", { class: "forest-ticks" }, labels));
  }

  /** @param {any} effect */
  row(effect) {
    const { what, drop, pictures, suspect, role } = effect;
    const right = !accuses(role);
    const unsure = open(effect, this.thresholds);
    const details = h("div", { class: "forest-details", hidden: true });
    const measured = pictures > 0;
    const button = h("button", {
      type: "button", class: "forest-row", "aria-expanded": "false", disabled: !measured,
      onclick: () => {
        const open = details.hidden;
        if (open && !details.firstChild) fill(details, this.details(effect));
        details.hidden = !open;
        button.setAttribute("aria-expanded", String(open));
      },
    },
    h("span", { class: "forest-title" }, suspect ? icon(right ? "check" : "warn") : unsure && icon("question"),
      h("span", {}, what.title, suspect && right && h("span", { class: "muted" }, " the right reason"), unsure && h("span", { class: "muted" }, " not cleared"))),
    this.interval(effect),
    h("span", { class: "forest-number" }, measured ? h("b", {}, points(drop.value)) : "not measured", measured && h("span", { class: "muted" }, ` ${span(drop)}`)));
    return h("li", { class: [suspect && !right ? "suspect" : role, unsure && "open"], "data-property": what.name }, button, details);
  }

  /** @param {any} effect */
  interval({ drop, pictures }) {
    const middle = HEIGHT / 2;
    const limit = this.x(this.thresholds.CLEAR);
    const shapes = [svg("line", { class: "forest-zero", x1: this.x(0), x2: this.x(0), y1: 0, y2: HEIGHT })];
    shapes.push(svg("line", { class: "forest-limit", x1: limit, x2: limit, y1: 0, y2: HEIGHT }));
    if (pictures > 0) {
      shapes.push(svg("line", { class: "forest-line", x1: this.x(drop.low), x2: this.x(drop.high), y1: middle, y2: middle }));
      shapes.push(svg("line", { class: "forest-dot", x1: this.x(drop.value), x2: this.x(drop.value), y1: middle - 5, y2: middle + 5 }));
    }
    return svg("svg", { class: "forest-interval", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...shapes);
  }

  /** @param {any} effect everything that is known of it */
  details(effect) {
    const { classes, accuracy } = this.document;
    const { what, drop, by_class: falls, toward, margin, sham, p, holm, left_out: left, pictures, screened } = effect;
    const gains = toward.map((/** @type {number} */ share, /** @type {number} */ i) => [share, i]).filter(([share]) => share >= 0.01)
      .sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => b[0] - a[0]);
    /** @type {[string, any][]} */
    const rows = [
      ["Drop of accuracy", `${points(drop.value)} (${span(drop)}), taken from another class instead of the same one`],
      ["By class", classes.map((/** @type {string} */ name, /** @type {number} */ i) =>
        `${name} ${falls[i] === null || falls[i] === undefined ? "not measured" : points(falls[i])}`).join(" \u00b7 ")],
      ["Answers become", gains.map((/** @type {number[]} */ [share, i]) => `${classes[i]} in ${wholePercent(share)}`).join(" \u00b7 ")],
      ["Margin", `falls by ${number(margin.value)} of a typical one (${number(margin.low)} to ${number(margin.high)})`],
      ["Control", `with it taken from the same class ${wholePercent(sham)} are right; untouched ${wholePercent(accuracy.value)}`],
      ["Test", `p = ${number(p)}, after Holm\u2019s correction ${number(holm)}`],
      ["Pictures", `${plural(pictures, "picture")}${left ? `; ${left} more do not allow it` : ""}${screened ? "; settled by the screening" : ""}`],
    ];
    return [
      h("p", {}, meaning(effect, classes, this.thresholds)),
      h("dl", { class: "facts" }, rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      this.illustrated.has(what.name) && h("button", { type: "button", onclick: () => this.illustrate(what.name) }, "Show it in pictures"),
    ];
  }
}
