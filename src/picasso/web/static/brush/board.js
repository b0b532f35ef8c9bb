/** The picture that is painted on, by pointer, by touch or by keyboard. */

import { announce, h } from "../dom.js";

/** @typedef {import("./painting.js").Painting} Painting */
/** @typedef {import("./painting.js").Paint} Paint */
/** @typedef {import("./painting.js").Fill} Fill */
/** @typedef {[number, number]} Point the center of a pixel: x, y */
/** @typedef {Record<string, Uint32Array | number>} Looks pixels, or one color, of "picture" and of every fill */
/** @typedef {{shape: "brush" | "rectangle" | "eraser", fill: Fill, size: number}} Tool */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 10;

/** Events: "state" when the hint or the brush's size may have changed. What is painted is told by the painting. */
export class Board extends EventTarget {
  /**
   * @param {Painting} painting
   * @param {Looks} looks
   * @param {Tool} tool
   */
  constructor(painting, looks, tool) {
    super();
    this.painting = painting;
    this.looks = looks;
    this.tool = tool;
    /** @type {Point} */
    this.cursor = [Math.floor(painting.width / 2) + 0.5, Math.floor(painting.height / 2) + 0.5];
    this.shown = false;
    /** Whether the next press chooses the place to copy from. */
    this.picking = false;
    /** @type {Point | null} where is copied from, until the first stroke fixes the distance */
    this.source = null;
    /** @type {{right: number, down: number} | null} */
    this.offset = null;
    /** @type {Point | null} where the stroke was last, or the first corner of a rectangle */
    this.last = null;
    /** Whether the arrow keys paint. */
    this.down = false;
    const { width, height } = painting;
    this.picture = h("canvas", { width, height, class: width < 160 ? "coarse" : "", "aria-hidden": "true" });
    this.marks = h("canvas", { width: 0, height: 0, "aria-hidden": "true" });
    this.element = /** @type {HTMLElement} */ (h("div", {
      class: "brush-board", tabindex: "0", role: "application", "aria-roledescription": "picture to paint on",
      "aria-label": "Picture. Arrow keys move the brush, with Shift ten pixels. Space paints, D paints while you move, " +
        "brackets change the size, Control Z takes back.",
    }, this.picture, this.marks));
    this.element.style.aspectRatio = `${width} / ${height}`;
    this.pixels = new ImageData(width, height);
    this.frame = 0;
    painting.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.#listen();
  }

  /** @returns {string} what to do next, in words; "" where that is plain */
  get hint() {
    const clones = this.tool.fill === "clone" && this.tool.shape !== "eraser";
    if (clones && (this.picking || (!this.source && !this.offset))) return "Click the place to copy from.";
    if (clones && !this.offset) return "Now paint where the copy shall go.";
    if (this.tool.shape === "rectangle" && this.last) return "Choose the opposite corner.";
    return this.down ? "The arrow keys paint. D lifts the brush." : "";
  }

  /** Has the next press choose the place to copy from. */
  pick() {
    this.picking = true;
    this.source = this.offset = null;
    this.#tell();
  }

  /** @param {Partial<Tool>} change */
  take(change) {
    Object.assign(this.tool, change);
    this.tool.size = Math.max(1, Math.min(this.largest, Math.round(this.tool.size)));
    if (change.shape) this.#stop();
    this.#tell();
  }

  get largest() {
    return Math.max(this.painting.width, this.painting.height);
  }

  #tell() {
    this.draw();
    this.dispatchEvent(new Event("state"));
  }

  #listen() {
    const { element, painting } = this;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      element.focus({ preventScroll: true });
      element.setPointerCapture(event.pointerId);
      this.down = false;
      this.#move(event);
      if (event.altKey) this.pick();
      this.#press(this.cursor);
    });
    element.addEventListener("pointermove", (event) => {
      for (const step of event.getCoalescedEvents?.() ?? [event]) this.#move(step);
      if (event.buttons & 1 && element.hasPointerCapture(event.pointerId)) this.#drag(this.cursor);
    });
    element.addEventListener("pointerup", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) return;
      this.#move(event);
      this.#release(this.cursor);
    });
    element.addEventListener("pointercancel", () => {
      painting.abandon();
      this.#stop();
    });
    element.addEventListener("pointerleave", () => {
      this.shown = element.matches(":focus-visible");
      this.draw();
    });
    element.addEventListener("focus", () => {
      this.shown = this.shown || element.matches(":focus-visible");
      this.draw();
    });
    element.addEventListener("blur", () => {
      if (this.down) this.#stop();
      this.shown = false;
      this.#tell();
    });
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {{clientX: number, clientY: number}} event */
  #move({ clientX, clientY }) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    this.#go(((clientX - left) / width) * this.painting.width, ((clientY - top) / height) * this.painting.height);
  }

  /**
   * Moves the cursor to the middle of a pixel.
   *
   * @param {number} x
   * @param {number} y
   */
  #go(x, y) {
    const within = (/** @type {number} */ value, /** @type {number} */ side) => Math.max(0, Math.min(side - 1, Math.floor(value))) + 0.5;
    this.cursor = [within(x, this.painting.width), within(y, this.painting.height)];
    this.shown = true;
    this.draw();
  }

  /**
   * @param {Point} at
   * @returns {Paint | null | undefined} null erases; undefined: there is nothing to paint with yet
   */
  #paint(at) {
    const { shape, fill } = this.tool;
    if (shape === "eraser") return null;
    if (fill !== "clone") return { fill, right: 0, down: 0 };
    if (!this.offset && this.source) this.offset = { right: this.source[0] - at[0], down: this.source[1] - at[1] };
    return this.offset ? { fill, ...this.offset } : undefined;
  }

  /** @param {Point} at */
  #press(at) {
    const clones = this.tool.fill === "clone" && this.tool.shape !== "eraser";
    if (this.picking || (clones && !this.source && !this.offset)) {
      this.picking = false;
      this.source = at;
      this.offset = null;
      announce(`Copies from x ${Math.floor(at[0])}, y ${Math.floor(at[1])}`);
      return this.#tell();
    }
    this.last = at;
    if (this.tool.shape !== "rectangle") this.#stroke(at, at);
    this.#tell();
  }

  /** @param {Point} at */
  #drag(at) {
    if (!this.last || this.tool.shape === "rectangle") return;
    this.#stroke(this.last, at);
    this.last = at;
  }

  /** @param {Point} at */
  #release(at) {
    if (!this.last) return;
    const paint = this.tool.shape === "rectangle" ? this.#paint(this.last) : undefined;
    if (paint !== undefined) this.painting.rectangle(this.last, at, paint);
    this.last = null;
    this.painting.commit();
    this.#tell();
  }

  /**
   * @param {Point} from
   * @param {Point} to
   */
  #stroke(from, to) {
    const paint = this.#paint(from);
    if (paint !== undefined) this.painting.line(from, to, this.tool.size, paint);
  }

  #stop() {
    this.last = null;
    this.down = false;
    this.painting.commit();
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { painting, tool } = this;
    if (event.ctrlKey || event.metaKey) {
      const back = event.key.toLowerCase() === "z" && !event.shiftKey;
      if (!back && !(event.key.toLowerCase() === "y" || (event.key === "Z" && event.shiftKey))) return;
      event.preventDefault();
      return back ? painting.undo() : painting.redo();
    }
    if (event.altKey) return;
    const step = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    const grow = Math.max(1, Math.round(tool.size / 8));
    /** @type {Record<string, () => void>} */
    const keys = {
      " ": () => this.#act(),
      Enter: () => this.#act(),
      d: () => this.#lower(),
      "[": () => this.take({ size: tool.size - grow }),
      "]": () => this.take({ size: tool.size + grow }),
      Escape: () => {
        painting.abandon();
        this.#stop();
        this.#tell();
      },
    };
    const act = step ? () => this.#walk(step, event.shiftKey ? FAR : 1) : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.key === "Escape" && !this.last && !this.down)) return;
    event.preventDefault();
    act();
  }

  /**
   * @param {number[]} direction
   * @param {number} far
   */
  #walk([x, y], far) {
    const from = this.cursor;
    this.#go(from[0] + x * far, from[1] + y * far);
    if (this.down) this.#stroke(from, this.cursor);
    announce(`x ${Math.floor(this.cursor[0])}, y ${Math.floor(this.cursor[1])}`);
  }

  /** Paints at the cursor; for a rectangle its one corner, then the other. */
  #act() {
    this.shown = true;
    if (this.tool.shape === "rectangle" && this.last) return this.#release(this.cursor);
    this.#press(this.cursor);
    if (this.tool.shape !== "rectangle") this.#release(this.cursor);
  }

  /** Lets the arrow keys paint, or lifts the brush. */
  #lower() {
    if (this.tool.shape === "rectangle" || this.picking) return;
    if (this.down) this.#stop();
    else if (this.#paint(this.cursor) !== undefined) {
      this.down = true;
      this.#stroke(this.cursor, this.cursor);
    }
    if (!this.down) announce("The brush is lifted");
    this.#tell();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.compose();
      this.mark();
    });
  }

  /** Lays the paints on the picture, one pixel for each of the network's input. */
  compose() {
    const { painting, looks, pixels } = this;
    const { width, labels, paints } = painting;
    const target = new Uint32Array(pixels.data.buffer);
    const picture = /** @type {Uint32Array} */ (looks.picture);
    target.set(picture);
    for (let i = 0; i < labels.length; i += 1) {
      if (!labels[i]) continue;
      const { fill, right, down } = paints[labels[i] - 1];
      const look = looks[fill];
      if (fill === "clone") target[i] = picture[i + down * width + right];
      else target[i] = typeof look === "number" ? look : look[i];
    }
    this.picture.getContext("2d")?.putImageData(pixels, 0, 0);
  }

  /** Draws the outline of what is painted, and the brush. */
  mark() {
    const { marks, element, painting, tool, cursor } = this;
    const density = Math.min(devicePixelRatio || 1, 3);
    const [wide, high] = [element.clientWidth, element.clientHeight].map((side) => Math.round(side * density));
    if (!wide || !high) return;
    if (marks.width !== wide || marks.height !== high) [marks.width, marks.height] = [wide, high];
    const context = /** @type {CanvasRenderingContext2D} */ (marks.getContext("2d"));
    context.clearRect(0, 0, wide, high);
    const scale = wide / painting.width;
    const twice = (/** @type {Path2D} */ path, /** @type {number[]} */ dashes = []) => {
      context.setLineDash([]);
      for (const [color, width] of /** @type {[string, number][]} */ ([["#000c", 3], ["#fff", 1.25]])) {
        context.strokeStyle = color;
        context.lineWidth = width * density;
        context.stroke(path);
        context.setLineDash(dashes.map((dash) => dash * density));
      }
    };
    if (painting.painted) twice(outline(painting, scale), [4, 3]);
    if (!this.shown) return;
    const brush = (/** @type {Point} */ [x, y], /** @type {number} */ radius) => {
      const path = new Path2D();
      path.arc(x * scale, y * scale, Math.max(3 * density, radius * scale), 0, 2 * Math.PI);
      return path;
    };
    const across = ([x, y] = cursor) => {
      const path = new Path2D();
      const arm = 8 * density;
      path.moveTo(x * scale - arm, y * scale);
      path.lineTo(x * scale + arm, y * scale);
      path.moveTo(x * scale, y * scale - arm);
      path.lineTo(x * scale, y * scale + arm);
      return path;
    };
    const clones = tool.fill === "clone" && tool.shape !== "eraser";
    if (tool.shape === "rectangle" || this.picking || (clones && !this.source)) twice(across());
    else twice(brush(cursor, tool.size / 2));
    if (tool.shape === "rectangle" && this.last) {
      const path = new Path2D();
      const corner = [0, 1].map((axis) => Math.floor(Math.min(cursor[axis], /** @type {Point} */ (this.last)[axis])));
      const far = [0, 1].map((axis) => Math.ceil(Math.max(cursor[axis], /** @type {Point} */ (this.last)[axis])));
      path.rect(corner[0] * scale, corner[1] * scale, (far[0] - corner[0]) * scale, (far[1] - corner[1]) * scale);
      twice(path, [6, 4]);
    }
    const from = this.offset ? /** @type {Point} */ ([cursor[0] + this.offset.right, cursor[1] + this.offset.down]) : this.source;
    if (clones && from && !this.picking) twice(across(from));
  }
}

/**
 * @param {Painting} painting
 * @param {number} scale
 */
function outline({ labels, width, height }, scale) {
  const path = new Path2D();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const label = labels[y * width + x];
      // At the picture's own edge there is nothing to tell apart.
      if (x > 0 && Boolean(label) !== Boolean(labels[y * width + x - 1])) {
        path.moveTo(x * scale, y * scale);
        path.lineTo(x * scale, (y + 1) * scale);
      }
      if (y > 0 && Boolean(label) !== Boolean(labels[(y - 1) * width + x])) {
        path.moveTo(x * scale, y * scale);
        path.lineTo((x + 1) * scale, y * scale);
      }
    }
  }
  return path;
}
