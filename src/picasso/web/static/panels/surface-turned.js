/** The same numbers as a surface in space: dragged, turned by arrow keys, drawn from the back to the front. */

import { h } from "../dom.js";
import { onColors } from "../page-colors.js";

const START = { around: -0.7, above: 0.6, size: 1 };
/** How high the surface is, as a part of its width. */
const FLAT = 0.55;
const TURN = 0.12;

/** @typedef {import("./surface.js").SurfaceData} SurfaceData */
/** @typedef {[number, number, number]} Point left, top, and how far in front */

export class TurnedSurface {
  constructor() {
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.element = /** @type {HTMLElement} */ (h("div", {
      class: "surface-turned", tabindex: "0", role: "application", "aria-roledescription": "surface that can be turned",
    }, this.canvas));
    /** @type {SurfaceData | null} */
    this.data = null;
    this.view = { ...START };
    this.frame = 0;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
    // Lines and words have the ink of the page, which turns with its theme.
    this.keepColors = onColors(() => this.draw());
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("pointerdown", (event) => this.element.setPointerCapture(event.pointerId));
    this.element.addEventListener("pointermove", (event) => {
      if (!this.element.hasPointerCapture(event.pointerId)) return;
      this.turn(event.movementX * 0.01, event.movementY * 0.01);
    });
    this.element.addEventListener("dblclick", () => this.reset());
  }

  /** @param {SurfaceData} data */
  update(data) {
    this.data = data;
    const { title, units } = data.panel;
    this.element.setAttribute("aria-label",
      `${title}, ${units}, as a surface. Arrow keys turn it, plus and minus make it larger and smaller, 0 puts it back.`);
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.turn(-TURN, 0),
      ArrowRight: () => this.turn(TURN, 0),
      ArrowUp: () => this.turn(0, -TURN),
      ArrowDown: () => this.turn(0, TURN),
      "+": () => this.grow(1.15),
      "=": () => this.grow(1.15),
      "-": () => this.grow(1 / 1.15),
      0: () => this.reset(),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /**
   * @param {number} around to the right, radians
   * @param {number} above toward the reader, radians
   */
  turn(around, above) {
    this.view.around += around;
    this.view.above = Math.min(Math.PI / 2, Math.max(0.05, this.view.above + above));
    this.draw();
  }

  /** @param {number} factor */
  grow(factor) {
    this.view.size = Math.min(4, Math.max(0.4, this.view.size * factor));
    this.draw();
  }

  reset() {
    this.view = { ...START };
    this.draw();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    const { data, canvas, element } = this;
    const { clientWidth: width, clientHeight: height } = element;
    if (!data || !width) return;
    const density = Math.min(devicePixelRatio || 1, 2);
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(density, density);
    const { around, above, size } = this.view;
    element.dataset.turned = `${around.toFixed(2)} ${above.toFixed(2)} ${size.toFixed(2)}`;
    const scale = Math.min(width, height * 1.3) * 0.56 * size;
    /** @type {(x: number, y: number, z: number) => Point} of places in -0.5..0.5 */
    const project = (x, y, z) => {
      const right = x * Math.cos(around) - y * Math.sin(around);
      const back = x * Math.sin(around) + y * Math.cos(around);
      const tall = z * FLAT;
      return [width / 2 + right * scale, height / 2 - (back * Math.sin(above) + tall * Math.cos(above)) * scale,
        -back * Math.cos(above) + tall * Math.sin(above)];
    };
    const ink = getComputedStyle(element).color;
    this.floor(context, project, ink);
    this.cells(context, project);
    this.walked(context, project);
    this.words(context, project, ink);
  }

  /**
   * @param {number} row
   * @param {number} column
   * @returns {number} how high the surface is there, -0.5..0.5; between points linear
   */
  height(row, column) {
    const { panel, heights, limits: [low, high] } = /** @type {SurfaceData} */ (this.data);
    const columns = panel.x.length;
    const [r, c] = [Math.min(Math.floor(row), panel.y.length - 2), Math.min(Math.floor(column), columns - 2)];
    const at = (/** @type {number} */ i, /** @type {number} */ j) => heights[(r + i) * columns + c + j];
    const [down, right] = [row - r, column - c];
    const value = (at(0, 0) * (1 - right) + at(0, 1) * right) * (1 - down) + (at(1, 0) * (1 - right) + at(1, 1) * right) * down;
    return (value - low) / (high - low) - 0.5;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(x: number, y: number, z: number) => Point} project
   * @param {string} ink
   */
  floor(context, project, ink) {
    context.strokeStyle = ink;
    context.globalAlpha = 0.5;
    this.line(context, [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5]].map(([x, y]) => project(x, y, -0.5)));
    context.globalAlpha = 1;
  }

  /**
   * Writes what is along the two edges in front.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {(x: number, y: number, z: number) => Point} project
   * @param {string} ink
   */
  words(context, project, ink) {
    const { panel } = /** @type {SurfaceData} */ (this.data);
    const { clientWidth: width, clientHeight: height } = this.element;
    const front = (/** @type {Point} */ a, /** @type {Point} */ b) => (a[2] >= b[2] ? a : b);
    context.font = "12px sans-serif";
    context.textAlign = "center";
    context.lineJoin = "round";
    context.lineWidth = 4;
    context.strokeStyle = getComputedStyle(document.body).backgroundColor;
    context.fillStyle = ink;
    let written = [-Infinity, 0, 0]; // how far down, half how wide, where: of the words before
    for (const [words, place] of /** @type {[string, Point][]} */ ([
      [panel.x_title, front(project(0, -0.62, -0.5), project(0, 0.62, -0.5))],
      [panel.y_title, front(project(-0.62, 0, -0.5), project(0.62, 0, -0.5))],
    ])) {
      const half = context.measureText(words).width / 2 + 2;
      const left = Math.min(Math.max(place[0], half), width - half);
      let top = Math.min(Math.max(place[1], 12), height - 6);
      const [before, beside, at] = written;
      if (Math.abs(before - top) < 16 && Math.abs(at - left) < half + beside) top = before + 18;
      written = [top, half, left];
      context.strokeText(words, left, top);
      context.fillText(words, left, top);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(x: number, y: number, z: number) => Point} project
   */
  cells(context, project) {
    const { panel, heights, map, limits: [low, high] } = /** @type {SurfaceData} */ (this.data);
    const [rows, columns] = [panel.y.length, panel.x.length];
    /** @type {{corners: Point[], depth: number, color: number[]}[]} */
    const cells = [];
    for (let row = 0; row + 1 < rows; row += 1) {
      for (let column = 0; column + 1 < columns; column += 1) {
        const around = [[row, column], [row, column + 1], [row + 1, column + 1], [row + 1, column]];
        const known = around.map(([r, c]) => heights[r * columns + c]);
        if (!known.every(Number.isFinite)) continue;
        const corners = around.map(([r, c]) => project(c / (columns - 1) - 0.5, r / (rows - 1) - 0.5, this.height(r, c)));
        const place = Math.round(((known.reduce((sum, one) => sum + one, 0) / 4 - low) / (high - low)) * 255);
        cells.push({ corners, depth: corners.reduce((sum, [, , front]) => sum + front, 0), color: map[Math.min(255, Math.max(0, place))] });
      }
    }
    cells.sort((a, b) => a.depth - b.depth);
    context.lineWidth = 0.6;
    for (const { corners, color } of cells) {
      context.beginPath();
      corners.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.fillStyle = `rgb(${color.join()})`;
      context.fill();
      context.strokeStyle = "rgb(20 20 24 / 45%)";
      context.stroke();
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(x: number, y: number, z: number) => Point} project
   */
  walked(context, project) {
    const { panel } = /** @type {SurfaceData} */ (this.data);
    const { x, y, path, mark } = panel;
    const share = (/** @type {number} */ value, /** @type {number[]} */ places) => (value - places[0]) / (places[places.length - 1] - places[0]);
    const on = (/** @type {number} */ left, /** @type {number} */ up) => {
      const [across, along] = [share(left, x), share(up, y)];
      return project(across - 0.5, along - 0.5, this.height(along * (y.length - 1), across * (x.length - 1)));
    };
    const stops = path.map((stop) => on(stop.x, stop.y));
    for (const [color, wide] of /** @type {[string, number][]} */ ([["#ffffff", 4], ["#1e1e22", 1.6]])) {
      context.strokeStyle = color;
      context.lineWidth = wide;
      this.line(context, stops);
    }
    for (const [left, top] of [...stops, ...(mark ? [on(mark[0], mark[1])] : [])]) {
      context.beginPath();
      context.arc(left, top, 4, 0, 2 * Math.PI);
      context.fillStyle = "#ffffff";
      context.fill();
      context.strokeStyle = "#1e1e22";
      context.stroke();
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Point[]} points
   */
  line(context, points) {
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }

  close() {
    this.observer.disconnect();
    this.keepColors();
  }
}
