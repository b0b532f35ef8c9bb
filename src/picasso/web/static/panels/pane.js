/** One picture of a figure, or a map over the gray picture. Wheel, keys and drag move all panes of it. */

import { h } from "../dom.js";
import { Crosshair } from "./crosshair.js";
import { Outline } from "./outline.js";

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
    // Three layers, so that a hand on the slider or over the map draws nothing again: the browser blends and moves them.
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { width: 0, height: 0, "aria-hidden": "true" }));
    this.overlay = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "pane-map", width: 0, height: 0, "aria-hidden": "true" }));
    this.outline = new Outline(viewport);
    this.crosshair = new Crosshair(viewport);
    this.element = /** @type {HTMLElement} */ (
      h("div", { class: "pane loading", tabindex: "0", role: "application", "aria-roledescription": "zoomable picture" },
        this.canvas, this.overlay, this.outline.element, this.crosshair.element)
    );
    this.name(label);
    this.frame = 0;
    /** @type {{layer: OffscreenCanvas, unknown: HTMLCanvasElement, place: string} | null} */
    this.hatched = null;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.listen();
    viewport.addEventListener("change", () => this.draw());
    viewport.addEventListener("cursor", () => this.crosshair.move());
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.element);
  }

  /** @param {string} label */
  name(label) {
    this.element.setAttribute("aria-label", `${label}. Arrow keys move the cursor, plus and minus zoom, 0 shows all.`);
  }

  /** @param {Content} content */
  show(content) {
    const same = this.content.base === content.base && this.content.map === content.map;
    this.content = content;
    this.element.classList.toggle("loading", !content.base);
    this.strengthen(content.opacity ?? 1);
    if (!same) this.draw();
  }

  /** @param {number} opacity of the map, 0..1 */
  strengthen(opacity) {
    this.overlay.style.opacity = String(opacity);
  }

  /** Gives the memory of the canvases back, until something is shown again. */
  release() {
    this.content = { base: null };
    this.hatched = null;
    this.outline.show(null, [1, 1]);
    for (const canvas of [this.canvas, this.overlay]) canvas.width = canvas.height = 0;
  }

  /** Makes the canvases as large as the pane is on the screen. */
  fit() {
    const { clientWidth, clientHeight } = this.element;
    const density = Math.min(devicePixelRatio || 1, 3);
    const width = Math.round(clientWidth * density);
    const height = Math.round(clientHeight * density);
    if (!width || !height || !this.content.base) return;
    for (const canvas of [this.canvas, ...(this.content.map ? [this.overlay] : [])]) {
      if (canvas.width === width && canvas.height === height) continue;
      canvas.width = width;
      canvas.height = height;
    }
    this.crosshair.move();
    this.paint();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.fit();
    });
  }

  paint() {
    const { viewport, content, canvas, overlay } = this;
    const context = canvas.getContext("2d", { alpha: false });
    if (!context || !content.base) return;
    const scale = (canvas.width / viewport.width) * viewport.zoom;
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const x = -viewport.left * scale;
    const y = -viewport.top * scale;
    const width = viewport.width * scale;
    const height = viewport.height * scale;
    const coarse = /** @type {any} */ (content.base).width <= viewport.width;
    context.imageSmoothingEnabled = !coarse;
    context.imageSmoothingQuality = "high";
    context.drawImage(content.base, x, y, width, height);
    if (!content.map) return;
    const above = /** @type {CanvasRenderingContext2D} */ (overlay.getContext("2d"));
    above.clearRect(0, 0, overlay.width, overlay.height);
    above.imageSmoothingEnabled = false;
    above.drawImage(content.map.colors, x, y, width, height);
    if (content.map.unknown) this.hatch(above, content.map.unknown, x, y, width, height);
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
   * @param {{clientX: number, clientY: number}} event
   * @returns {{x: number, y: number}} the place on the map
   */
  place(event) {
    const box = this.element.getBoundingClientRect();
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
