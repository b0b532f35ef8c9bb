/** Many small pictures in one file: a sheet of tiles. */

import { loadArray } from "../arrays.js";
import { h } from "../dom.js";

/** @typedef {{sheet: import("../arrays.js").ArrayRef, side: number, columns: number, count: number}} AtlasWire */

/** @type {WeakMap<object, Promise<ImageBitmap>>} sheets that were cut up already, by their bytes */
const cut = new WeakMap();

export class Atlas {
  /**
   * @param {AtlasWire} wire
   * @param {ImageBitmap} sheet
   */
  constructor({ side, columns, count }, sheet) {
    this.side = side;
    this.columns = columns;
    this.count = count;
    this.sheet = sheet;
  }

  /**
   * @param {AtlasWire} wire
   * @returns {Promise<Atlas>}
   */
  static async load(wire) {
    const { values } = await loadArray(wire.sheet);
    const known = cut.get(values) ?? createImageBitmap(new Blob([/** @type {any} */ (values)], { type: "image/jpeg" }));
    cut.set(values, known);
    return new Atlas(wire, await known);
  }

  /**
   * Draws a tile.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} number
   * @param {number} x
   * @param {number} y
   * @param {number} side
   */
  draw(context, number, x, y, side) {
    const left = (number % this.columns) * this.side;
    const top = Math.floor(number / this.columns) * this.side;
    context.drawImage(this.sheet, left, top, this.side, this.side, x, y, side, side);
  }

  /**
   * @param {number} number
   * @returns {HTMLCanvasElement} a tile of its own size, hidden from screen readers: what stands beside it has the words
   */
  tile(number) {
    const canvas = h("canvas", { width: this.side, height: this.side, "aria-hidden": "true" });
    this.draw(canvas.getContext("2d"), number, 0, 0, this.side);
    return canvas;
  }
}
