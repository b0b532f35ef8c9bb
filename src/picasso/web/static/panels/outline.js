/** The outline and the box of what a map points at, over a pane. It follows the view, and stays sharp in it. */

import { outline } from "./extraction.js";

const SVG = "http://www.w3.org/2000/svg";

export class Outline {
  /** @param {import("./viewport.js").Viewport} viewport */
  constructor(viewport) {
    this.viewport = viewport;
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("class", "outline");
    this.element.setAttribute("aria-hidden", "true");
    this.element.setAttribute("preserveAspectRatio", "none");
    viewport.addEventListener("change", () => this.move());
    this.show(null, [1, 1]);
  }

  /**
   * @param {import("./extraction.js").Extraction | null} found
   * @param {number[]} shape rows, columns of the map
   */
  show(found, [rows, columns]) {
    this.element.toggleAttribute("hidden", !found?.box);
    this.element.dataset.box = found?.box?.join() ?? "";
    this.element.replaceChildren();
    if (!found?.box) return;
    const [x, y, width, height] = found.box;
    for (const kind of ["halo", "line"]) {
      this.draw("path", kind, { d: outline(found.mask, [rows, columns]) });
      this.draw("rect", kind, { x, y, width, height });
    }
    this.move();
  }

  /**
   * @param {string} tag
   * @param {string} kind
   * @param {Record<string, string | number>} attributes
   */
  draw(tag, kind, attributes) {
    const shape = document.createElementNS(SVG, tag);
    shape.setAttribute("class", kind);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
    this.element.append(shape);
  }

  move() {
    const { left, top, width, height, zoom } = this.viewport;
    this.element.setAttribute("viewBox", `${left} ${top} ${width / zoom} ${height / zoom}`);
  }
}
