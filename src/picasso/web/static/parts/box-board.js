/** A picture on which a box or a pixel is drawn with the pointer and moved with the keys, and the same in numbers. */

import { announce, h } from "../dom.js";

/** @typedef {import("../types.js").Picture} Picture */

/** Pixels of the screen that a pointer must move for a box; less is a click on one pixel. */
const SLACK = 4;
/** The picture is at most so wide and so tall. */
const SIDE = 340;
const TALL = 420;
const STEP = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {string} at "10,20,64,48" or "10,20"
 * @returns {string} "in the box at 10, 20, 64 × 48"
 */
export function placeInWords(at) {
  const [left, top, width, height] = at.split(",");
  return width ? `in the box at ${left}, ${top}, ${width} \u00d7 ${height}` : `at the pixel ${left}, ${top}`;
}

/** Events: "input" while a place is typed, "change" when one is drawn, moved or typed. */
export class BoxBoard extends EventTarget {
  /**
   * @param {Picture | null} picture to draw on; null: there is none, and the place can only be typed
   * @param {string} at "left,top,width,height" or "left,top" in pixels of the picture; "": nowhere yet
   * @param {string} help what can be done here
   */
  constructor(picture, at, help) {
    super();
    this.picture = picture;
    this.at = at;
    this.field = h("input", {
      type: "text", value: at, inputmode: "numeric", spellcheck: "false", autocomplete: "off",
      placeholder: "left, top, width, height", "aria-label": "Place in pixels of the picture",
      oninput: () => {
        this.#read();
        this.dispatchEvent(new Event("input"));
      },
      onchange: () => {
        this.#read();
        this.#changed();
      },
    });
    this.box = h("div", { class: "place-box", hidden: true });
    this.surface = picture && h("div", {
      class: "place-board", tabindex: "0", role: "application", "aria-label": `${help} Arrow keys move the box, with Shift they size it.`,
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#begin(event),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#nudge(event),
    }, h("img", { src: picture.file, alt: "", draggable: "false", onload: () => this.#mark() }), this.box);
    if (picture) {
      // As large as fits, in the picture's own shape: a slim picture stays slim.
      const { width, height } = picture;
      this.surface.style.aspectRatio = `${width} / ${height}`;
      this.surface.style.maxWidth = `${Math.max(48, Math.min(SIDE, (TALL * width) / height))}px`;
    }
    this.element = picture
      ? h("div", { class: "place-drawing" }, this.surface, h("p", { class: "field-hint" }, help), this.field)
      : h("div", {}, h("p", { class: "field-hint" }, "Add a picture to draw on it."), this.field);
  }

  /** @returns {number[] | null} left, top and, of a box, width and height; null where it is neither */
  get numbers() {
    const numbers = this.at.split(",").map(Number);
    return [2, 4].includes(numbers.length) && numbers.every(Number.isFinite) && this.at ? numbers : null;
  }

  #read() {
    this.at = this.field.value.replace(/\s+/g, "");
  }

  #changed() {
    this.#mark();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.surface.focus({ preventScroll: true });
    this.surface.setPointerCapture(event.pointerId);
    const start = this.#point(event);
    const first = [event.clientX, event.clientY];
    const move = (/** @type {PointerEvent} */ to) => {
      const end = this.#point(to);
      const far = Math.hypot(to.clientX - first[0], to.clientY - first[1]) > SLACK;
      const corner = start.map((value, i) => Math.floor(Math.min(value, end[i])));
      const size = start.map((value, i) => Math.max(1, Math.ceil(Math.max(value, end[i])) - corner[i]));
      this.at = (far ? [...corner, ...size] : corner).join(",");
      this.#mark();
    };
    const stop = (/** @type {PointerEvent} */ to) => {
      this.surface.removeEventListener("pointermove", move);
      if (to.type === "pointerup") move(to);
      this.#changed();
    };
    this.surface.addEventListener("pointermove", move);
    this.surface.addEventListener("pointerup", stop, { once: true });
    this.surface.addEventListener("pointercancel", stop, { once: true });
  }

  /**
   * @param {PointerEvent} event
   * @returns {number[]} x and y in pixels of the picture
   */
  #point(event) {
    const { left, top, width, height } = this.surface.getBoundingClientRect();
    const picture = /** @type {Picture} */ (this.picture);
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(most - 1e-6, Math.max(0, value));
    return [within((event.clientX - left) / width * picture.width, picture.width),
      within((event.clientY - top) / height * picture.height, picture.height)];
  }

  /** @param {KeyboardEvent} event */
  #nudge(event) {
    const step = STEP[/** @type {keyof typeof STEP} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const { width, height } = /** @type {Picture} */ (this.picture);
    const box = this.numbers ?? [width * 0.375, height * 0.375, width / 4, height / 4].map(Math.round);
    const by = Math.max(1, Math.round(Math.min(width, height) / 50));
    const sizes = event.shiftKey && box.length === 4;
    [width, height].forEach((side, axis) => {
      const within = (/** @type {number} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
        Math.max(least, Math.min(most, value + step[axis] * by));
      if (sizes) box[axis + 2] = within(box[axis + 2], 1, side - box[axis]);
      else box[axis] = within(box[axis], 0, side - (box[axis + 2] ?? 1));
    });
    this.at = box.join(",");
    this.#changed();
    announce(placeInWords(this.at));
  }

  /** Shows the place on the picture and in the field. */
  #mark() {
    this.field.value = this.at.replaceAll(",", ", ");
    const { box, picture, numbers } = this;
    if (!picture) return;
    box.hidden = !numbers;
    if (!numbers) return;
    const [left, top, width = 0, height = 0] = numbers;
    box.classList.toggle("pixel", numbers.length === 2);
    box.style.left = `${(left / picture.width) * 100}%`;
    box.style.top = `${(top / picture.height) * 100}%`;
    box.style.width = width ? `${(width / picture.width) * 100}%` : "";
    box.style.height = height ? `${(height / picture.height) * 100}%` : "";
  }
}
