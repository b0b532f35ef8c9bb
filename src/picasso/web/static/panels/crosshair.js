/** The cursor over a pane: four lines around the pixel that is pointed at. It is moved, never drawn again. */

import { h } from "../dom.js";

const SMALLEST_PX = 5;

export class Crosshair {
  /** @param {import("./viewport.js").Viewport} viewport */
  constructor(viewport) {
    this.viewport = viewport;
    this.element = /** @type {HTMLElement} */ (
      h("div", { class: "crosshair", "aria-hidden": "true", hidden: true }, Array.from({ length: 5 }, () => h("i"))));
    this.half = "";
  }

  /** Goes where the cursor is. */
  move() {
    const { cursor, width, height, left, top, zoom } = this.viewport;
    this.element.hidden = !cursor;
    if (!cursor) return;
    // The element is as large as the pane, so that shares of its size are shares of the pane's.
    const across = ((cursor.x + 0.5 - left) / width) * zoom;
    const down = ((cursor.y + 0.5 - top) / height) * zoom;
    this.element.style.transform = `translate(${across * 100}%, ${down * 100}%)`;
    const half = `max(${SMALLEST_PX}px, ${((zoom / width) * 50).toFixed(4)}cqw)`;
    if (half === this.half) return;
    this.half = half;
    this.element.style.setProperty("--half", half);
  }
}
