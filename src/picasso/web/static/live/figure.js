/** A frame and its map side by side, with the color bar; drawn anew for each answer. */

import { colorMaps, colorize, grayed } from "../colors.js";
import { fill, h } from "../dom.js";
import { steady } from "../format.js";
import { ColorBar } from "../panels/color-bar.js";
import { display } from "../panels/display.js";
import { words } from "../panels/heatmap-values.js";
import { Pane } from "../panels/pane.js";
import { zoomControls } from "../panels/toolbar.js";
import { Viewport } from "../panels/viewport.js";
import { RunningScale } from "./scale.js";

export class LiveFigure {
  constructor() {
    this.viewport = new Viewport(1, 1);
    this.scale = new RunningScale();
    this.picture = new Pane(this.viewport, "Frame");
    this.map = new Pane(this.viewport, "Map");
    this.subject = h("span", { class: "pane-target" });
    this.method = h("span", { class: "pane-method" });
    this.row = h("div", { class: "panes", role: "group", "aria-label": "Frame and map" },
      h("div", { class: "pane-column live-picture" }, h("div", { class: "pane-head" }, h("span", { class: "pane-title" }, "Frame")), this.picture.element),
      h("div", { class: "pane-column" }, h("div", { class: "pane-head" }, h("span", { class: "pane-title" }, this.subject, this.method)), this.map.element));
    this.bar = new ColorBar();
    this.readout = h("p", { class: "readout" }, "Point at the picture to read values.");
    this.opacity = h("input", {
      type: "range", min: 0, max: 100, step: 1, class: "slider", value: Math.round(display.opacity * 100),
      oninput: () => display.set({ opacity: Number(this.opacity.value) / 100 }),
    });
    this.amount = h("output", {});
    this.element = h("section", { class: "figure" }, this.row,
      h("div", { class: "under" },
        h("div", { class: "toolbar" }, h("label", { class: "opacity" }, h("span", {}, "Map strength"), this.opacity, this.amount), zoomControls(this.viewport)),
        h("div", {}, this.bar.element, this.readout)));
    /** @type {import("./watcher.js").Seen | null} */
    this.seen = null;
    this.barKey = "";
    this.viewport.addEventListener("cursor", () => this.read());
    display.addEventListener("strength", () => this.strengthen());
    this.strengthen();
  }

  strengthen() {
    this.amount.textContent = `${Math.round(display.opacity * 100)}%`;
    this.map.strengthen(display.opacity);
  }

  /**
   * @param {import("./watcher.js").Seen} seen
   * @param {string} method what made the map
   */
  async show(seen, method) {
    const maps = await colorMaps();
    const { frame, said, array } = seen;
    const { values, shape } = array;
    this.seen = seen;
    const base = cropped(frame, said.frame);
    const [rows, columns] = said.size;
    // As wide as the frame is, though the network reads it as a square.
    this.viewport.resize(columns, (columns * base.height) / base.width);
    this.row.style.setProperty("--aspect", String(base.width / base.height));
    const limits = this.scale.follow(said.limits, frame.taken, `${seen.key} ${said.explained} ${said.subject}`);
    const colored = colorize(values, shape[1], shape[0], maps[/** @type {"signed"} */ (said.sign)], limits);
    this.subject.textContent = said.subject;
    this.method.textContent = method;
    this.map.name(`${method} for ${said.subject}`);
    this.picture.show({ base });
    this.map.show({ base: grayed(base), map: colored, opacity: display.opacity });
    this.largest = limits[1];
    // The bar is written anew only where its numbers look otherwise.
    const key = [steady(limits[1], limits[1]), said.units, said.sign, said.subject].join();
    if (key !== this.barKey) {
      this.barKey = key;
      const wire = /** @type {any} */ ({ units: said.units, sign: said.sign });
      this.bar.show({ ...words(wire, false), map: maps[/** @type {"signed"} */ (said.sign)], limits, clipped: 0 });
      this.bar.units.lastChild?.remove(); // what lies beyond the ends changes from frame to frame
    }
    this.element.dataset.rows = String(rows);
    this.read();
  }

  /** Says the value under the cursor. */
  read() {
    const { cursor } = this.viewport;
    if (!cursor || !this.seen) {
      this.bar.point(null);
      fill(this.readout, "Point at the picture to read values.");
      return;
    }
    const { array: { values, shape: [rows, columns] }, said } = this.seen;
    const row = Math.floor(((cursor.y + 0.5) * rows) / this.viewport.height);
    const column = Math.floor(((cursor.x + 0.5) * columns) / this.viewport.width);
    const value = values[Math.min(rows - 1, row) * columns + Math.min(columns - 1, column)];
    this.bar.point(value);
    fill(this.readout, Number.isFinite(value) ? [`${said.units} `, h("b", {}, steady(value, this.largest ?? 1))] : "Nothing is known here.");
  }
}

/**
 * @param {import("./source.js").Grabbed} frame
 * @param {import("../panels/original.js").Frame | null} part which part of the frame the model saw, in its pixels
 * @returns {HTMLCanvasElement} that part of the frame as it is shown; black beyond its edges
 */
function cropped({ sharp, width, height }, part) {
  if (!part) return sharp;
  const x = sharp.width / width;
  const y = sharp.height / height;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(part.width * x));
  canvas.height = Math.max(1, Math.round(part.height * y));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(sharp, -part.left * x, -part.top * y);
  return canvas;
}
