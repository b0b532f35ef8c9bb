/** Values against an amount, as lines: read by a pointer, by keys, or as a table. */

import { fill, freshId, h } from "../dom.js";
import { number, prose } from "../format.js";

export const kind = "curve";
const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 280;
const LEFT = 58;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 26;
const LOOKS = 8;
/** About the width of a letter below the axis, in pixels, and how many of them a name may have there. */
const GLYPH = 6.6;
const LONGEST = 20;

/** @typedef {import("../types.js").CurveWire} CurveWire */

/** @param {CurveWire[]} panels */
export function mount(panels) {
  const view = new CurveView();
  view.update(panels);
  return view;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
function s(tag, attributes, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SPACE, tag));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} most
 * @returns {number[]} round numbers from low to high, about so many
 */
export function roundNumbers(low, high, most) {
  if (!(high > low)) return [low];
  const step = roundStep(high - low, most);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * @param {number} span
 * @param {number} most
 * @returns {number} 1, 2 or 5 times a power of ten, of which about so many make the span
 */
function roundStep(span, most) {
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5].find((factor) => factor * power >= raw * (1 - 1e-9)) ?? 10) * power;
}

class CurveView {
  constructor() {
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.plot = h("div", { class: "curve-plot" });
    this.yTitle = h("p", { class: "curve-y" });
    this.xTitle = h("label", { class: "curve-x", for: freshId("place") });
    this.slider = h("input", {
      type: "range", class: "slider", min: 0, step: 1, id: this.xTitle.getAttribute("for"),
      oninput: () => this.point(Number(this.slider.value)),
    });
    this.here = h("p", { class: "curve-here" });
    this.key = h("ul", { class: "curve-key" });
    this.table = h("div", { class: "curve-table" });
    this.element = h("section", { class: "plain-panel curve", "data-kind": kind },
      this.heading,
      h("div", { class: "curve-body" },
        h("div", { class: "curve-main" }, this.yTitle, this.plot, this.slider, this.xTitle),
        h("div", { class: "curve-values" }, this.here, this.key)),
      h("details", {}, h("summary", {}, "All values"), this.table),
      this.caption);
    this.plot.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.near(event));
    this.plot.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.near(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.plot);
    /** Place of the cursor among those on the x axis. */
    this.at = 0;
  }

  /** @param {CurveWire[]} panels */
  update(panels) {
    const [panel] = panels;
    const before = this.panel;
    this.panel = panel;
    const { id, title, caption, x, lines, mark } = panel;
    this.element.dataset.panel = id;
    this.heading.textContent = title;
    this.caption.textContent = prose(caption);
    this.yTitle.textContent = panel.y_title;
    this.xTitle.textContent = panel.x_title;
    this.slider.max = String(x.length - 1);
    if (before?.x.length !== x.length) {
      const middle = mark === null ? -1 : x.indexOf(mark);
      this.at = middle < 0 ? 0 : middle;
    }
    this.items = lines.map((line, i) => ({ value: h("output", {}), label: line.label, i }));
    fill(this.key, this.items.map(({ value, label, i }) => h("li", {}, sample(i), h("span", {}, label), value)));
    fill(this.table, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, panel.x_title),
        lines.map((line) => h("th", { scope: "col" }, line.label)))),
      h("tbody", {}, x.map((_, row) => h("tr", {}, h("th", { scope: "row" }, this.place(row)),
        lines.map((line) => h("td", {}, words(line.values[row]))))))));
    this.draw();
    this.point(this.at);
    this.element.dataset.ready = id;
  }

  /**
   * @param {number} row
   * @returns {string} what a place on the x axis is called
   */
  place(row) {
    const panel = /** @type {CurveWire} */ (this.panel);
    return panel.ticks.length ? panel.ticks[row] : number(panel.x[row]);
  }

  /** @returns {[number, number]} the ends of the y axis */
  limits() {
    const { limits, lines } = /** @type {CurveWire} */ (this.panel);
    if (limits) return limits;
    const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
    let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const step = roundStep(high - low, 5);
    return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  }

  /** Draws everything anew in the width that there is. */
  draw() {
    const { panel } = this;
    const width = this.plot.clientWidth;
    if (!panel || !width) return;
    const { x, lines, mark, ticks } = panel;
    const [low, high] = this.limits();
    const first = x[0] ?? 0;
    const span = (x[x.length - 1] ?? 1) - first;
    const across = (/** @type {number} */ value) =>
      LEFT + (span > 0 ? (value - first) / span : 0.5) * (width - LEFT - RIGHT);
    const up = (/** @type {number} */ value) =>
      HEIGHT - BOTTOM - ((Math.min(Math.max(value, low), high) - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
    this.across = across;
    this.up = up;
    const svg = s("svg", {
      width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
      "aria-label": `${panel.title}: ${panel.y_title} against ${panel.x_title}. All values are in the table below.`,
    });
    for (const value of roundNumbers(low, high, 5)) {
      svg.append(s("line", { class: "curve-rule", x1: LEFT, x2: width - RIGHT, y1: up(value), y2: up(value) }),
        s("text", { x: LEFT - 8, y: up(value) + 4, "text-anchor": "end" }, number(value)));
    }
    if (mark !== null) {
      svg.append(s("line", { class: "curve-mark", x1: across(mark), x2: across(mark), y1: TOP, y2: HEIGHT - BOTTOM },
        s("title", {}, panel.mark_label)));
    }
    for (const [value, text] of this.names(width)) {
      const left = across(value);
      const half = text.length * GLYPH / 2;
      const anchor = left - half < 0 ? "start" : left + half > width ? "end" : "middle";
      svg.append(s("text", { x: left, y: HEIGHT - 8, "text-anchor": anchor }, text));
    }
    lines.forEach((line, i) => svg.append(this.line(line, i)));
    this.cursor = s("g", { class: "curve-cursor" });
    svg.append(this.cursor);
    fill(this.plot, svg);
    this.slider.style.marginLeft = `${LEFT - 8}px`;
    this.slider.style.width = `${width - LEFT - RIGHT + 16}px`;
    this.point(this.at);
  }

  /**
   * @param {number} width
   * @returns {[number, string][]} places on the x axis that are named below it, as many as fit
   */
  names(width) {
    const { x, ticks } = /** @type {CurveWire} */ (this.panel);
    if (!ticks.length) {
      return roundNumbers(x[0] ?? 0, x[x.length - 1] ?? 1, Math.max(2, Math.floor(width / 90)))
        .map((value) => [value, number(value)]);
    }
    const texts = ticks.map((text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}\u2026` : text));
    const room = (width - LEFT - RIGHT) / Math.max(1, x.length - 1);
    const every = Math.max(1, Math.ceil((Math.max(...texts.map((text) => text.length)) * GLYPH + 8) / room));
    return x.map((value, i) => /** @type {[number, string]} */ ([value, texts[i]])).filter((_, i) => i % every === 0);
  }

  /**
   * @param {{label: string, values: (number | null)[]}} line
   * @param {number} i
   */
  line({ label, values }, i) {
    const { x } = /** @type {CurveWire} */ (this.panel);
    const { across, up } = this;
    let path = "";
    let open = false;
    const group = s("g", { class: `curve-line look-${i % LOOKS}` }, s("title", {}, label));
    values.forEach((value, row) => {
      if (value === null || !across || !up) {
        open = false;
        return;
      }
      path += `${open ? "L" : "M"}${across(x[row]).toFixed(1)} ${up(value).toFixed(1)}`;
      open = true;
      if (values.length <= 80) group.append(s("circle", { cx: across(x[row]), cy: up(value), r: 2.4 }));
    });
    if (path) group.append(s("path", { d: path }));
    return group;
  }

  /** @param {PointerEvent} event */
  near(event) {
    const { panel, across } = this;
    if (!panel || !across) return;
    const left = event.clientX - this.plot.getBoundingClientRect().left;
    let best = 0;
    panel.x.forEach((value, i) => {
      if (Math.abs(across(value) - left) < Math.abs(across(panel.x[best]) - left)) best = i;
    });
    this.point(best);
  }

  /**
   * Reads the values at a place.
   *
   * @param {number} row
   */
  point(row) {
    const { panel, across, up } = this;
    if (!panel || !panel.x.length) return;
    this.at = Math.min(row, panel.x.length - 1);
    this.slider.value = String(this.at);
    const values = panel.lines.map((line) => line.values[this.at]);
    const spoken = panel.lines.map((line, i) => `${line.label} ${words(values[i])}`).join(", ");
    this.slider.setAttribute("aria-valuetext", `${this.place(this.at)}: ${spoken}`);
    const marked = panel.mark !== null && panel.x[this.at] === panel.mark ? panel.mark_label : "";
    fill(this.here, h("b", {}, this.place(this.at)), marked && h("span", { class: "muted" }, ` ${marked}`));
    this.items?.forEach(({ value }, i) => (value.textContent = words(values[i])));
    if (!this.cursor || !across || !up) return;
    const left = across(panel.x[this.at]);
    this.cursor.replaceChildren(s("line", { x1: left, x2: left, y1: TOP, y2: HEIGHT - BOTTOM }),
      ...values.flatMap((value, i) => value === null ? []
        : [s("circle", { class: `look-${i % LOOKS}`, cx: left, cy: up(value), r: 5 })]));
  }

  close() {
    this.observer.disconnect();
  }
}

/**
 * @param {number} i
 * @returns {SVGElement} a piece of a line as it is drawn
 */
function sample(i) {
  return s("svg", { width: 30, height: 12, "aria-hidden": "true", class: `curve-line look-${i % LOOKS}` },
    s("path", { d: "M1 6L29 6" }), s("circle", { cx: 15, cy: 6, r: 2.4 }));
}

/** @param {number | null} value */
function words(value) {
  return value === null ? "unknown" : number(value);
}
