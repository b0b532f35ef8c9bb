/** One canvas of a figure: a picture, or a map over the gray picture. Wheel, keys and drag move all panes of it. */

import { h } from "../dom.js";

/** @typedef {import("./viewport.js").Viewport} Viewport */
/** @typedef {import("../colors.js").Colored} Colored */

const SCROLLING_MS = 250;
let lastScroll = -Infinity;
addEventListener("scroll", () => (lastScroll = performance.now()), { passive: true, capture: true });

/**
 * @typedef {object} Content
 * @property {CanvasImageSource | null} base
 * @property {Colored | null} [map]
 * @property {number} [opacity]
 */

export class Pane {
  /**
   * @param {Viewport} viewport
   * @param {string} label what it shows, for screen readers
   */
  constructor(viewport, label) {
    this.viewport = viewport;
    /** @type {Content} */
    this.content = { base: null };
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.element = /** @type {HTMLElement} */ (
      h("div", { class: "pane loading", tabindex: "0", role: "application", "aria-roledescription": "zoomable picture" },
        this.canvas)
    );
    this.name(label);
    this.frame = 0;
    /** @type {{layer: OffscreenCanvas, unknown: HTMLCanvasElement, place: string} | null} */
    this.hatched = null;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.listen();
    viewport.addEventListener("change", () => this.draw());
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.element);
  }

  /** @param {string} label */
  name(label) {
    this.element.setAttribute("aria-label", `${label}. Arrow keys move the cursor, plus and minus zoom, 0 shows all.`);
  }

  /** @param {Content} content */
  show(content) {
    this.content = content;
    this.element.classList.toggle("loading", !content.base);
    this.draw();
  }

  fit() {
    const { clientWidth, clientHeight } = this.element;
    const density = Math.min(devicePixelRatio || 1, 3);
    const width = Math.round(clientWidth * density);
    const height = Math.round(clientHeight * density);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.paint();
  }

  draw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context || !this.canvas.width) return;
    const { viewport, content, canvas } = this;
    const scale = (canvas.width / viewport.width) * viewport.zoom;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!content.base) return;
    const x = -viewport.left * scale;
    const y = -viewport.top * scale;
    const width = viewport.width * scale;
    const height = viewport.height * scale;
    const coarse = /** @type {any} */ (content.base).width <= viewport.width;
    context.imageSmoothingEnabled = !coarse;
    context.imageSmoothingQuality = "high";
    context.drawImage(content.base, x, y, width, height);
    context.imageSmoothingEnabled = false;
    if (content.map) {
      context.globalAlpha = content.opacity ?? 1;
      context.drawImage(content.map.colors, x, y, width, height);
      if (content.map.unknown) this.hatch(context, content.map.unknown, x, y, width, height);
      context.globalAlpha = 1;
    }
    if (viewport.cursor) this.crosshair(context, scale, x, y);
  }

  /**
   * Hatches what is not known, in screen pixels, so that it never looks like data.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} unknown
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  hatch(context, unknown, x, y, width, height) {
    const place = [x, y, width, height, this.canvas.width, this.canvas.height].join();
    if (this.hatched?.unknown !== unknown || this.hatched.place !== place) {
      // Only a move of the view changes it; the cursor does not.
      const layer = this.hatched?.layer ?? new OffscreenCanvas(1, 1);
      layer.width = this.canvas.width;
      layer.height = this.canvas.height;
      const inner = /** @type {OffscreenCanvasRenderingContext2D} */ (layer.getContext("2d"));
      inner.imageSmoothingEnabled = false;
      inner.drawImage(unknown, x, y, width, height);
      inner.globalCompositeOperation = "source-in";
      inner.fillStyle = /** @type {CanvasPattern} */ (stripes(inner));
      inner.fillRect(0, 0, layer.width, layer.height);
      this.hatched = { layer, unknown, place };
    }
    context.drawImage(this.hatched.layer, 0, 0);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} scale
   * @param {number} x
   * @param {number} y
   */
  crosshair(context, scale, x, y) {
    const cursor = /** @type {{x: number, y: number}} */ (this.viewport.cursor);
    const density = this.canvas.width / Math.max(1, this.element.clientWidth);
    const across = x + (cursor.x + 0.5) * scale;
    const down = y + (cursor.y + 0.5) * scale;
    const half = Math.max(scale / 2, 5 * density);
    const { width, height } = this.canvas;
    for (const [color, thick] of /** @type {[string, number][]} */ ([["#0006", 2.6], ["#fffd", 1]])) {
      context.strokeStyle = color;
      context.lineWidth = thick * density;
      context.beginPath();
      context.moveTo(0, down);
      context.lineTo(across - half, down);
      context.moveTo(across + half, down);
      context.lineTo(width, down);
      context.moveTo(across, 0);
      context.lineTo(across, down - half);
      context.moveTo(across, down + half);
      context.lineTo(across, height);
      context.rect(across - half, down - half, half * 2, half * 2);
      context.stroke();
    }
  }

  /**
   * @param {{clientX: number, clientY: number}} event
   * @returns {{x: number, y: number}} the place on the map
   */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const { viewport } = this;
    return {
      x: viewport.left + ((event.clientX - box.left) / box.width) * (viewport.width / viewport.zoom),
      y: viewport.top + ((event.clientY - box.top) / box.height) * (viewport.height / viewport.zoom),
    };
  }

  listen() {
    const { element, viewport } = this;
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("dblclick", (event) => {
      const { x, y } = this.place(event);
      viewport.zoomBy(event.shiftKey ? 0.5 : 2, x, y);
    });
    element.addEventListener("pointerdown", (event) => {
      this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (viewport.zoom > 1 || event.pointerType === "mouse") element.setPointerCapture(event.pointerId);
      viewport.point(this.place(event));
    });
    element.addEventListener("pointermove", (event) => this.move(event));
    const release = (/** @type {PointerEvent} */ event) => {
      this.pointers.delete(event.pointerId);
      element.classList.remove("dragging");
    };
    element.addEventListener("pointerup", release);
    element.addEventListener("pointercancel", release);
    element.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && document.activeElement !== element) viewport.point(null);
    });
    element.addEventListener("focus", () => {
      if (!viewport.cursor && element.matches(":focus-visible")) {
        viewport.point({ x: viewport.width / 2, y: viewport.height / 2 });
      }
    });
    element.addEventListener("blur", () => viewport.point(null));
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { viewport, element } = this;
    const before = this.pointers.get(event.pointerId);
    if (before && this.pointers.size === 2) this.pinch(event, before);
    else if (before && viewport.zoom > 1) {
      element.classList.add("dragging");
      const scale = (element.clientWidth / viewport.width) * viewport.zoom;
      viewport.panBy((before.x - event.clientX) / scale, (before.y - event.clientY) / scale);
    }
    if (before) this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    viewport.point(this.place(event));
  }

  /**
   * @param {PointerEvent} event
   * @param {{x: number, y: number}} before
   */
  pinch(event, before) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) return;
    const now = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    const then = Math.hypot(before.x - other.x, before.y - other.y);
    const middle = this.place({ clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 });
    if (then > 0) this.viewport.zoomBy(now / then, middle.x, middle.y);
  }

  /**
   * Zooms, but leaves the wheel to the page while it is scrolling and when there is nothing left to zoom out of.
   *
   * @param {WheelEvent} event
   */
  wheel(event) {
    const scrolling = performance.now() - lastScroll < SCROLLING_MS;
    if (!event.ctrlKey && scrolling) return;
    if (this.viewport.zoom === 1 && event.deltaY > 0) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 24 : 1;
    const { x, y } = this.place(event);
    this.viewport.zoomBy(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 100 : 400)), x, y);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { viewport } = this;
    const step = event.shiftKey ? 10 : 1;
    const cursor = viewport.cursor ?? { x: Math.floor(viewport.width / 2), y: Math.floor(viewport.height / 2) };
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => viewport.point({ x: cursor.x - step, y: cursor.y }),
      ArrowRight: () => viewport.point({ x: cursor.x + step, y: cursor.y }),
      ArrowUp: () => viewport.point({ x: cursor.x, y: cursor.y - step }),
      ArrowDown: () => viewport.point({ x: cursor.x, y: cursor.y + step }),
      "+": () => viewport.zoomBy(1.5, cursor.x + 0.5, cursor.y + 0.5),
      "=": () => viewport.zoomBy(1.5, cursor.x + 0.5, cursor.y + 0.5),
      "-": () => viewport.zoomBy(1 / 1.5, cursor.x + 0.5, cursor.y + 0.5),
      0: () => viewport.reset(),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    if (event.key.startsWith("Arrow")) {
      viewport.reveal();
      this.element.dispatchEvent(new CustomEvent("inspect", { bubbles: true }));
    }
  }
}

/** @type {CanvasPattern | null} */
let pattern = null;

/** @param {OffscreenCanvasRenderingContext2D} context */
function stripes(context) {
  if (pattern) return pattern;
  const tile = new OffscreenCanvas(12, 12);
  const inner = /** @type {OffscreenCanvasRenderingContext2D} */ (tile.getContext("2d"));
  inner.fillStyle = "#cdcdcd";
  inner.fillRect(0, 0, 12, 12);
  inner.strokeStyle = "#969696";
  inner.lineWidth = 4;
  inner.beginPath();
  for (const shift of [-12, 0, 12]) {
    inner.moveTo(shift - 2, 14);
    inner.lineTo(shift + 14, -2);
  }
  inner.stroke();
  pattern = context.createPattern(tile, "repeat");
  return pattern;
}
