/** The plane on which points lie: drawn, zoomed, moved and brushed, by pointer and by keys. */

import { announce, h } from "../dom.js";
import { onColors } from "../page-colors.js";

const LOOKS = 8;
const NEAR = 14;
const PICTURES_UP_TO = 220;
const EDGE = 24;
const MARKED_UP_TO = 400;
/** Points above which each is drawn as a dot. */
const MANY = 2000;
const TRIANGLE = [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]];
const DIAMOND = [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]];

/**
 * Events: "choose" with the number of a point; "brush" with the numbers of those within a drawn line, none to let go.
 */
export class ScatterPlane extends EventTarget {
  constructor() {
    super();
    /** @type {"brush" | "move"} what dragging does */
    this.mode = "brush";
    this.points = new Float32Array();
    this.places = new Float32Array();
    /** @type {string[]} */
    this.names = [];
    /** @type {ArrayLike<number>} */
    this.values = [];
    /** @type {number[]} rank of each value: its look */
    this.ranks = [];
    /** @type {number | null} */
    this.only = null;
    /** @type {Set<number>} */
    this.marked = new Set();
    /** Whether points are chosen: of very many none is marked. */
    this.chosen = false;
    this.active = -1;
    this.scale = 1;
    this.shift = [0, 0];
    /** @type {[number, number][]} */
    this.line = [];
    this.frame = 0;
    this.canvas = h("canvas", {
      class: "scatter-canvas", tabindex: "0", role: "application", "aria-label": "Pictures as points",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      onpointerdown: (/** @type {PointerEvent} */ event) => this.down(event),
      onpointermove: (/** @type {PointerEvent} */ event) => this.move(event),
      onpointerup: (/** @type {PointerEvent} */ event) => this.up(event),
      onpointercancel: () => this.drop(),
      onpointerleave: () => this.hover(-1),
      ondblclick: () => this.zoom(1.6),
    });
    this.canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
      if (!event.ctrlKey && document.activeElement !== this.canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), this.at(event));
    }, { passive: false });
    this.tip = h("div", { class: "scatter-tip", hidden: true });
    this.across = h("p", { class: "scatter-x" });
    this.upward = h("p", { class: "scatter-y" });
    this.element = h("div", { class: "scatter-plane" }, this.upward, h("div", { class: "scatter-place" }, this.canvas, this.tip), this.across);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
    this.keepColors = onColors(() => this.draw());
  }

  /**
   * @param {Float32Array} points pairs
   * @param {string[]} names
   * @param {import("./atlas.js").Atlas} atlas
   * @param {{x: string, y: string}} titles
   * @param {boolean} stay whether they are the points that were shown, moved: the view stays as it is
   */
  show(points, names, atlas, titles, stay) {
    Object.assign(this, { points, names });
    this.atlas = atlas;
    this.across.textContent = `${titles.x} \u2192`;
    this.upward.textContent = `\u2191 ${titles.y}`;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i]);
      right = Math.max(right, points[i]);
      bottom = Math.min(bottom, points[i + 1]);
      top = Math.max(top, points[i + 1]);
    }
    this.low = [left, bottom];
    this.span = [right - left || 1, top - bottom || 1];
    if (!stay) {
      this.marked.clear();
      this.chosen = false;
      this.active = -1;
      this.fit();
    } else this.draw();
  }

  /** @param {ArrayLike<number>} values of each point */
  color(values) {
    this.values = values;
    this.only = null;
    this.draw();
  }

  /** @param {number[]} order values, the most frequent first */
  rank(order) {
    this.ranks = [];
    order.forEach((value, rank) => (this.ranks[value] = rank));
    this.draw();
  }

  /** @param {number | null} value the only one that is shown strongly */
  highlight(value) {
    this.only = value;
    this.draw();
  }

  /**
   * @param {number} i
   * @param {number[]} near
   */
  point(i, near) {
    this.active = i;
    this.marked = new Set([i, ...near]);
    this.chosen = true;
    this.draw();
  }

  fit() {
    this.scale = 1;
    this.shift = [0, 0];
    this.draw();
  }

  /**
   * @param {number} factor
   * @param {[number, number]} [at] what stays where it is, in pixels
   */
  zoom(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const next = Math.min(200, Math.max(0.5, this.scale * factor));
    this.shift = this.shift.map((one, axis) => at[axis] - ((at[axis] - one) * next) / this.scale);
    this.scale = next;
    this.draw();
  }

  /** Finds where all points lie, in pixels: once for each view, since every pointer's move asks for all of them. */
  lay() {
    const { points, low = [0, 0], span = [1, 1], scale, shift } = this;
    const [width, height] = [this.canvas.clientWidth - 2 * EDGE, this.canvas.clientHeight - 2 * EDGE];
    if (this.places.length !== points.length) this.places = new Float32Array(points.length);
    for (let i = 0; i < points.length; i += 2) {
      this.places[i] = (EDGE + ((points[i] - low[0]) / span[0]) * width) * scale + shift[0];
      this.places[i + 1] = (EDGE + (1 - (points[i + 1] - low[1]) / span[1]) * height) * scale + shift[1];
    }
  }

  /**
   * @param {number} i
   * @returns {[number, number]} where a point lies, in pixels
   */
  place(i) {
    return [this.places[2 * i], this.places[2 * i + 1]];
  }

  /**
   * @param {{clientX: number, clientY: number}} event
   * @returns {[number, number]}
   */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /**
   * @param {[number, number]} at
   * @returns {number} the nearest point, -1 where none is near
   */
  nearest([x, y]) {
    let best = -1;
    let least = NEAR ** 2;
    const { places } = this;
    for (let i = 0; i < places.length; i += 2) {
      const far = (places[i] - x) ** 2 + (places[i + 1] - y) ** 2;
      if (far < least) {
        best = i / 2;
        least = far;
      }
    }
    return best;
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !this.names.length) return;
    const dense = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
    }
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    this.lay();
    const looks = this.looks();
    /** @type {Map<number, number[]>} the points in view, by what they look like; those that are faint apart */
    const groups = new Map();
    let inside = 0;
    for (let i = 0; i < this.names.length; i += 1) {
      const [x, y] = [this.places[2 * i], this.places[2 * i + 1]];
      if (x < -20 || y < -20 || x > width + 20 || y > height + 20) continue;
      inside += 1;
      const value = this.values[i] ?? -1;
      const rank = value < 0 ? LOOKS : Math.min(this.ranks[value] ?? LOOKS, LOOKS);
      const group = this.only !== null && value !== this.only ? rank - 100 : rank;
      const known = groups.get(group);
      if (known) known.push(i);
      else groups.set(group, [i]);
    }
    const pictures = this.atlas && inside <= PICTURES_UP_TO && this.scale > 1;
    for (const group of [...groups.keys()].sort((one, other) => one - other)) {
      const faint = group < 0;
      const rank = faint ? group + 100 : group;
      const members = /** @type {number[]} */ (groups.get(group));
      context.globalAlpha = faint ? 0.12 : 1;
      context.fillStyle = context.strokeStyle = looks[rank];
      if (pictures && !faint) for (const i of members) this.picture(context, i);
      else {
        context.beginPath();
        for (const i of members) {
          const [x, y] = [this.places[2 * i], this.places[2 * i + 1]];
          if (this.names.length > MANY) context.rect(x - 2, y - 2, 4, 4); // its form could not be told any more
          else trace(context, rank, x, y, 4);
        }
        context.fill();
      }
    }
    context.globalAlpha = 1;
    context.strokeStyle = looks[LOOKS + 1];
    for (const i of this.marked) ring(context, this.place(i), pictures ? 19 : 7, i === this.active ? 3 : 1.5);
    if (this.active >= 0 && !this.marked.has(this.active)) ring(context, this.place(this.active), pictures ? 19 : 7, 3);
    if (this.line.length > 1) {
      context.beginPath();
      for (const [x, y] of this.line) context.lineTo(x, y);
      context.closePath();
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.stroke();
      context.setLineDash([]);
    }
    canvas.dataset.shown = String(inside);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} i
   */
  picture(context, i) {
    const [x, y] = this.place(i);
    /** @type {import("./atlas.js").Atlas} */ (this.atlas).draw(context, i, x - 16, y - 16, 32);
    context.lineWidth = 2;
    context.strokeRect(x - 16, y - 16, 32, 32);
  }

  /** @returns {string[]} the colors of the looks, of what has none, and of the ink */
  looks() {
    const probe = h("span", { class: "visually-hidden" });
    this.element.append(probe);
    const found = [...Array(LOOKS)].map((_, i) => {
      probe.className = `visually-hidden look-${i} look-ink`;
      return getComputedStyle(probe).color;
    });
    probe.className = "visually-hidden muted";
    found.push(getComputedStyle(probe).color);
    probe.className = "visually-hidden";
    found.push(getComputedStyle(probe).color);
    probe.remove();
    return found;
  }

  /**
   * @param {number} rank
   * @returns {HTMLElement} what points of a rank look like, for the key
   */
  mark(rank) {
    const canvas = h("canvas", { width: 32, height: 32, class: "scatter-mark", "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    context.scale(2, 2);
    context.fillStyle = this.looks()[Math.min(rank, LOOKS)];
    context.beginPath();
    trace(context, rank, 8, 8, 5);
    context.fill();
    return canvas;
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.from = this.at(event);
    this.start = [...this.shift];
    this.line = this.mode === "brush" ? [this.from] : [];
  }

  /** @param {PointerEvent} event */
  move(event) {
    const at = this.at(event);
    if (!this.from) {
      this.hover(this.nearest(at));
      return;
    }
    this.hover(-1);
    if (this.mode === "brush") this.line.push(at);
    else this.shift = this.shift.map((_, axis) => /** @type {number[]} */ (this.start)[axis] + at[axis] - /** @type {number[]} */ (this.from)[axis]);
    this.draw();
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.from) return;
    const [x, y] = this.at(event);
    const still = Math.hypot(x - this.from[0], y - this.from[1]) < 5 && this.line.length < 8;
    const { line, mode } = this;
    this.drop();
    if (still) {
      const i = this.nearest([x, y]);
      if (i >= 0) this.dispatchEvent(new CustomEvent("choose", { detail: i }));
      else this.select([]);
    } else if (mode === "brush") {
      const within = [];
      for (let i = 0; i < this.names.length; i += 1) if (surrounds(line, this.place(i))) within.push(i);
      this.select(within);
    }
  }

  drop() {
    this.from = undefined;
    this.line = [];
    this.draw();
  }

  /** @param {number[]} chosen */
  select(chosen) {
    this.marked = new Set(chosen.length > MARKED_UP_TO ? [] : chosen);
    this.chosen = chosen.length > 0;
    this.active = -1;
    this.draw();
    this.dispatchEvent(new CustomEvent("brush", { detail: chosen }));
  }

  /** @param {number} i the point that the pointer is at, -1 for none */
  hover(i) {
    this.tip.hidden = i < 0;
    this.canvas.style.cursor = i < 0 ? "" : "pointer";
    if (i < 0 || !this.atlas) return;
    const [x, y] = this.place(i);
    this.tip.replaceChildren(this.atlas.tile(i), h("span", {}, this.names[i]));
    this.tip.style.left = `${Math.min(x + 14, this.canvas.clientWidth - 150)}px`;
    this.tip.style.top = `${Math.min(y + 14, this.canvas.clientHeight - 100)}px`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) this.go(way);
    else if (event.key === "Enter" && this.active >= 0) this.dispatchEvent(new CustomEvent("choose", { detail: this.active }));
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (event.key === "Escape" && (this.chosen || this.active >= 0)) this.select([]);
    else return;
    event.preventDefault();
  }

  /**
   * Goes to the nearest point in a direction.
   *
   * @param {number[]} way
   */
  go([right, down]) {
    const here = this.active >= 0 ? this.place(this.active) : /** @type {[number, number]} */ ([this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]);
    let [best, least] = [-1, Infinity];
    for (let i = 0; i < this.names.length; i += 1) {
      if (i === this.active) continue;
      const [x, y] = this.place(i);
      const along = (x - here[0]) * right + (y - here[1]) * down;
      const aside = Math.abs((x - here[0]) * down) + Math.abs((y - here[1]) * right);
      if (along > 0 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    }
    if (best < 0) return;
    this.active = best;
    this.canvas.setAttribute("aria-label", `Pictures as points; at ${this.names[best]}`);
    announce(this.names[best]);
    this.bring(best);
    this.hover(best);
    this.draw();
  }

  /**
   * Moves the view so far that a point lies in it.
   *
   * @param {number} i
   */
  bring(i) {
    const size = [this.canvas.clientWidth, this.canvas.clientHeight];
    this.shift = this.shift.map((one, axis) => one - Math.min(0, this.place(i)[axis] - EDGE) - Math.max(0, this.place(i)[axis] - size[axis] + EDGE));
    this.lay();
  }

  close() {
    this.observer.disconnect();
    this.keepColors();
    cancelAnimationFrame(this.frame);
  }
}

/**
 * Adds a point to a path: a circle, square, triangle or diamond, so that colors alone need not be told apart.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} rank
 * @param {number} x
 * @param {number} y
 * @param {number} size
 */
function trace(context, rank, x, y, size) {
  if (rank % 4 === 1) {
    context.rect(x - 0.9 * size, y - 0.9 * size, 1.8 * size, 1.8 * size);
    return;
  }
  if (rank % 4 === 0) {
    context.moveTo(x + size, y);
    context.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  const corners = rank % 4 === 2 ? TRIANGLE : DIAMOND;
  context.moveTo(x + corners[0][0] * size, y + corners[0][1] * size);
  for (const [across, down] of corners.slice(1)) context.lineTo(x + across * size, y + down * size);
  context.closePath();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} at
 * @param {number} radius
 * @param {number} width
 */
function ring(context, [x, y], radius, width) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.stroke();
}

/**
 * @param {[number, number][]} line closed
 * @param {[number, number]} at
 * @returns {boolean} whether a point lies within it
 */
function surrounds(line, [x, y]) {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
    const [ax, ay] = line[i];
    const [bx, by] = line[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
