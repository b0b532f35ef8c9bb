/** A number over a plane: colors with contour lines, or a surface that is turned by hand and by keys. */

import { loadArray } from "../arrays.js";
import { colorize, colorMaps } from "../colors.js";
import { fill, freshId, h } from "../dom.js";
import { number, prose } from "../format.js";
import { ContourPlot, nearest } from "./surface-contours.js";
import { TurnedSurface } from "./surface-turned.js";

export const kind = "surface";

/** @typedef {import("../types.js").SurfaceWire} SurfaceWire */
/**
 * @typedef {object} SurfaceData
 * @property {SurfaceWire} panel
 * @property {Float32Array} values row by row, the smallest y first; NaN where nothing is known
 * @property {Float32Array} heights what colors and heights go by
 * @property {[number, number]} limits of the heights
 * @property {number[][]} map 256 colors
 */

/**
 * @param {SurfaceWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  const view = new SurfaceView(context);
  view.update(panels);
  return view;
}

class SurfaceView {
  /** @param {import("../types.js").PanelContext} context */
  constructor(context) {
    this.context = context;
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.here = h("p", { class: "surface-here", role: "status" });
    this.plot = new ContourPlot((row, column) => this.read(row, column));
    this.turned = new TurnedSurface();
    this.bar = h("div", { class: "surface-bar" });
    const name = freshId("surface");
    /** @type {Record<string, {element: HTMLElement}>} */
    this.views = { contours: this.plot, turned: this.turned };
    this.choice = h("span", { class: "segmented", role: "radiogroup", "aria-label": "Drawn as" },
      [["contours", "Contours"], ["turned", "Surface"]].map(([value, label]) => h("label", {},
        h("input", { type: "radio", name, value, checked: value === "contours", onchange: () => this.show(value) }),
        h("span", {}, label))));
    this.element = h("section", { class: "plain-panel surface", "data-kind": kind },
      this.heading, this.choice,
      h("div", { class: "surface-body" },
        h("div", { class: "surface-main" }, this.plot.element, this.turned.element, this.here), this.bar),
      this.caption);
    this.show("contours");
    this.turn = 0;
  }

  /** @param {SurfaceWire[]} panels */
  async update([panel]) {
    this.element.dataset.panel = panel.id;
    this.heading.textContent = panel.title;
    this.caption.textContent = prose(panel.caption);
    const turn = (this.turn += 1);
    try {
      const [array, maps] = await Promise.all([loadArray(panel.values), colorMaps()]);
      if (turn !== this.turn) return; // a later one came meanwhile
      const values = /** @type {Float32Array} */ (array.values);
      const heights = panel.logarithmic ? values.map((value) => Math.log10(value)) : values;
      /** @type {SurfaceData} */
      const data = { panel, values, heights, limits: limitsOf(heights), map: maps.unsigned };
      this.data = data;
      this.plot.update(data, colorize(heights, panel.x.length, panel.y.length, data.map, data.limits));
      this.turned.update(data);
      this.drawBar();
      const [x, y] = panel.mark ?? [0, 0];
      this.plot.point(nearest(panel.y, y), nearest(panel.x, x));
      this.element.dataset.ready = panel.id;
    } catch (error) {
      this.context.fail(error);
    }
  }

  /** @param {string} chosen */
  show(chosen) {
    for (const [name, view] of Object.entries(this.views)) view.element.hidden = name !== chosen;
    this.here.hidden = chosen !== "contours";
    this.element.dataset.view = chosen;
    if (chosen === "turned") this.turned.draw();
    else this.plot.draw();
  }

  /**
   * Says what lies at a point.
   *
   * @param {number} row
   * @param {number} column
   */
  read(row, column) {
    if (!this.data) return;
    const { panel, values } = this.data;
    const value = values[row * panel.x.length + column];
    const [x, y] = [panel.x[column], panel.y[row]];
    const marked = panel.mark && panel.mark[0] === x && panel.mark[1] === y ? `, ${panel.mark_label}` : "";
    fill(this.here, h("b", {}, Number.isFinite(value) ? number(value) : "unknown"), ` at ${number(x)}, ${number(y)}${marked}`);
  }

  drawBar() {
    const { panel, limits: [low, high], map } = /** @type {SurfaceData} */ (this.data);
    const strip = h("div", { class: "surface-strip", "aria-hidden": "true" });
    strip.style.setProperty("--colors", map.filter((_, i) => i % 15 === 0).map((color) => `rgb(${color.join(" ")})`).join(", "));
    const value = (/** @type {number} */ share) => {
      const height = low + share * (high - low);
      return number(panel.logarithmic ? 10 ** height : height);
    };
    fill(this.bar, strip, h("div", { class: "surface-ticks" }, [1, 0.75, 0.5, 0.25, 0].map((share) => h("span", {}, value(share)))),
      h("p", { class: "surface-units" }, panel.units));
  }

  close() {
    this.turn += 1;
    this.plot.close();
    this.turned.close();
  }
}

/**
 * @param {Float32Array} heights
 * @returns {[number, number]} the ends of the color scale
 */
function limitsOf(heights) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of heights) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low === Infinity) return [0, 1];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
