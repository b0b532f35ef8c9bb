/** The color bar that all maps of a figure share: limits, zero, units, what is clipped, and the value pointed at. */

import { fill, h } from "../dom.js";
import { number, percent } from "../format.js";

/**
 * @typedef {object} Scale
 * @property {import("../colors.js").ColorMap} map
 * @property {import("../colors.js").Limits} limits
 * @property {string} units
 * @property {string} low what a value at the low end means
 * @property {string} high
 * @property {number} clipped share of the values beyond the limits, 0..1
 */

export class ColorBar {
  constructor() {
    this.canvas = h("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    this.pointer = h("div", { class: "bar-pointer", hidden: true });
    this.ends = h("div", { class: "bar-words" });
    this.ticks = h("div", { class: "bar-ticks" });
    this.units = h("div", { class: "bar-units" });
    this.element = h("div", { class: "color-bar", role: "group", "aria-label": "Color scale" },
      this.ends, h("div", { class: "bar-strip" }, this.canvas, this.pointer), this.ticks, this.units);
    /** @type {Scale | null} */
    this.scale = null;
  }

  /** @param {Scale} scale */
  show(scale) {
    this.scale = scale;
    const image = new ImageData(256, 1);
    scale.map.forEach((color, i) => image.data.set([...color, 255], i * 4));
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    const [low, high] = scale.limits;
    fill(this.ends, h("span", {}, scale.low), h("span", {}, scale.high));
    const ticks = low < 0 ? [low, 0, high] : [low, (low + high) / 2, high];
    fill(this.ticks, ticks.map((tick) => h("span", {}, number(tick))));
    const clipped = scale.clipped > 0
      ? `${percent(scale.clipped)} of the values lie beyond the ends`
      : "no value lies beyond the ends";
    fill(this.units, h("span", {}, scale.units), h("span", {}, clipped));
  }

  /** @param {number | null} value */
  point(value) {
    const known = this.scale && value !== null && Number.isFinite(value);
    this.pointer.hidden = !known;
    if (!known || !this.scale) return;
    const [low, high] = this.scale.limits;
    const place = Math.min(1, Math.max(0, (/** @type {number} */ (value) - low) / (high - low || 1)));
    this.pointer.style.left = `${place * 100}%`;
  }
}
