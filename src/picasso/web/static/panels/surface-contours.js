/** Colors over a plane with contour lines and a path; a pointer and arrow keys read the points. */

import { fill, h } from "../dom.js";
import { number } from "../format.js";
import { roundNumbers } from "./curve.js";

const SPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 420;
const LEFT = 58;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 44;

/** @typedef {import("./surface.js").SurfaceData} SurfaceData */

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
 * @param {number[]} places
 * @returns {[number, number]} the ends of an axis: half a cell beyond the outer points
 */
function spanOf(places) {
  const half = (places[places.length - 1] - places[0]) / Math.max(1, places.length - 1) / 2 || 0.5;
  return [places[0] - half, places[places.length - 1] + half];
}

/**
 * @param {number[]} places
 * @param {number} wanted
 * @returns {number} which of them lies nearest
 */
export function nearest(places, wanted) {
  return places.reduce((best, place, i) => (Math.abs(place - wanted) < Math.abs(places[best] - wanted) ? i : best), 0);
}

export class ContourPlot {
  /** @param {(row: number, column: number) => void} read called with the point that is read */
  constructor(read) {
    this.read = read;
    this.element = h("div", {
      class: "surface-plot", tabindex: "0", role: "application", "aria-roledescription": "contour plot",
    });
    /** @type {SurfaceData | null} */
    this.data = null;
    /** @type {import("../colors.js").Colored | null} */
    this.colored = null;
    this.at = [0, 0];
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
    this.element.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.near(event));
    this.element.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.near(event));
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
  }

  /**
   * @param {SurfaceData} data
   * @param {import("../colors.js").Colored} colored
   */
  update(data, colored) {
    this.data = data;
    this.colored = colored;
    const { panel } = data;
    this.element.setAttribute("aria-label",
      `${panel.title}: ${panel.units} ${panel.x_title} and ${panel.y_title}. Arrow keys read the points.`);
    this.draw();
  }

  draw() {
    const { data, colored } = this;
    const width = this.element.clientWidth;
    if (!data || !colored || !width) return;
    const { panel } = data;
    const [left, right] = spanOf(panel.x);
    const [low, high] = spanOf(panel.y);
    const inner = { width: width - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
    this.across = (/** @type {number} */ x) => LEFT + ((x - left) / (right - left)) * inner.width;
    this.up = (/** @type {number} */ y) => TOP + ((high - y) / (high - low)) * inner.height;
    const { across, up } = this;
    const canvas = h("canvas", { class: "surface-colors", width: panel.x.length, height: panel.y.length, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, -1, 0, panel.y.length);
    context.drawImage(colored.colors, 0, 0);
    Object.assign(canvas.style, { left: `${LEFT}px`, top: `${TOP}px`, width: `${inner.width}px`, height: `${inner.height}px` });
    const svg = s("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
    for (const { level, points } of panel.contours) {
      const path = points.map(([x, y], i) => `${i ? "L" : "M"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`).join("");
      svg.append(s("path", { class: "contour-under", d: path }), s("path", { class: "contour", d: path }, s("title", {}, number(level))));
    }
    /** @type {[number, number][]} where names stand already */
    const taken = [];
    for (const { level, points } of panel.contours) {
      const [x, y] = points[Math.floor(points.length / 2)];
      const [left, top] = [across(x), up(y)];
      if (points.length < 8 || taken.some(([a, b]) => Math.abs(a - left) < 34 && Math.abs(b - top) < 13)) continue;
      taken.push([left, top]);
      svg.append(s("text", { class: "contour-level", x: left, y: top + 3, "text-anchor": "middle" }, number(level)));
    }
    if (panel.path.length) svg.append(this.walked());
    if (panel.mark) {
      const [x, y] = [across(panel.mark[0]), up(panel.mark[1])];
      const d = `M${x - 6} ${y}h12M${x} ${y - 6}v12`;
      svg.append(s("path", { class: "surface-mark-under", d }), s("path", { class: "surface-mark", d }, s("title", {}, panel.mark_label)));
    }
    this.axes(svg, width);
    this.cursor = s("g", { class: "surface-cursor" });
    svg.append(this.cursor);
    fill(this.element, canvas, svg);
    this.point(this.at[0], this.at[1]);
  }

  walked() {
    const { panel } = /** @type {SurfaceData} */ (this.data);
    const across = /** @type {(x: number) => number} */ (this.across);
    const up = /** @type {(y: number) => number} */ (this.up);
    const d = panel.path.map(({ x, y }, i) => `${i ? "L" : "M"}${across(x)} ${up(y)}`).join("");
    return s("g", {}, s("path", { class: "surface-path-under", d }), s("path", { class: "surface-path", d }),
      ...panel.path.map(({ label, x, y }) => s("circle", { class: "surface-stop", cx: across(x), cy: up(y), r: 4 }, s("title", {}, label))));
  }

  /**
   * @param {SVGElement} svg
   * @param {number} width
   */
  axes(svg, width) {
    const { panel } = /** @type {SurfaceData} */ (this.data);
    const across = /** @type {(x: number) => number} */ (this.across);
    const up = /** @type {(y: number) => number} */ (this.up);
    for (const value of roundNumbers(panel.x[0], panel.x[panel.x.length - 1], Math.max(2, Math.floor(width / 110)))) {
      svg.append(s("text", { x: across(value), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, number(value)));
    }
    for (const value of roundNumbers(panel.y[0], panel.y[panel.y.length - 1], 5)) {
      svg.append(s("text", { x: LEFT - 8, y: up(value) + 4, "text-anchor": "end" }, number(value)));
    }
    svg.append(s("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, panel.x_title));
    const middle = (TOP + HEIGHT - BOTTOM) / 2;
    svg.append(s("text", { transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" }, panel.y_title));
  }

  /** @param {PointerEvent} event */
  near(event) {
    if (!this.data || !this.across || !this.up) return;
    const { panel } = this.data;
    const box = this.element.getBoundingClientRect();
    this.point(nearest(panel.y.map(this.up), event.clientY - box.top), nearest(panel.x.map(this.across), event.clientX - box.left));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 5 : 1;
    const by = { ArrowLeft: [0, -step], ArrowRight: [0, step], ArrowUp: [step, 0], ArrowDown: [-step, 0] }[event.key];
    if (!by) return;
    event.preventDefault();
    this.point(this.at[0] + by[0], this.at[1] + by[1]);
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  point(row, column) {
    if (!this.data) return;
    const { panel } = this.data;
    const within = (/** @type {number} */ place, /** @type {number} */ count) => Math.min(Math.max(place, 0), count - 1);
    this.at = [within(row, panel.y.length), within(column, panel.x.length)];
    this.read(this.at[0], this.at[1]);
    if (!this.cursor || !this.across || !this.up) return;
    const [x, y] = [this.across(panel.x[this.at[1]]), this.up(panel.y[this.at[0]])];
    this.cursor.replaceChildren(s("circle", { class: "surface-ring-under", cx: x, cy: y, r: 7 }), s("circle", { class: "surface-ring", cx: x, cy: y, r: 7 }));
  }

  close() {
    this.observer.disconnect();
  }
}
