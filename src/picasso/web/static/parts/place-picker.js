/** Where in the picture is asked: everything, or a box or a pixel that the visitor draws; for segmenters and detectors. */

import { announce, fill, focusOn, freshId, h } from "../dom.js";

/** @typedef {import("../types.js").Picture} Picture */

/** Pixels of the screen that a pointer must move for a box; less is a click on one pixel. */
const SLACK = 4;
/** The picture to draw on is at most so wide and so tall. */
const SIDE = 340;
const TALL = 420;
const STEP = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const WHOLE = {
  segmentation: "each class over its own predicted mask",
  detection: "each of the best detections",
};

/** Events: "change". */
export class PlacePicker extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    this.place = place;
    this.task = "classification";
    this.at = "";
    this.drawing = false;
    /** @type {Picture | null} */
    this.picture = null;
    this.message = h("p", { class: "field-error", role: "alert", hidden: true });
  }

  /**
   * @param {string} task what the model answers
   * @param {Picture | null} picture on which the box is drawn: the first that is chosen
   */
  show(task, picture) {
    if (task === this.task && picture?.digest === this.picture?.digest) return;
    this.task = task;
    this.picture = picture;
    this.place.hidden = task === "classification";
    this.draw();
  }

  /** @returns {{at: string | null}} */
  value() {
    return { at: this.place.hidden || !this.drawing ? null : this.at || null };
  }

  /** @returns {string} " at 10, 20, 64 x 48" */
  words() {
    const { at } = this.value();
    if (!at) return "";
    const [left, top, width, height] = at.split(",");
    return at.startsWith("#") ? ` of detection ${at.slice(1)}` : width ? ` in the box at ${left}, ${top}, ${width} \u00d7 ${height}` : ` at the pixel ${left}, ${top}`;
  }

  /** @param {string} at */
  set(at) {
    this.at = at;
    this.drawing = Boolean(at);
    this.draw();
  }

  /** @param {string} message */
  error(message) {
    this.message.textContent = message;
    this.message.hidden = !message;
  }

  #changed() {
    this.error("");
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    if (this.task === "classification") return fill(this.place);
    const name = freshId("place");
    const mode = (/** @type {boolean} */ drawing, /** @type {string} */ label) =>
      h("label", {}, h("input", {
        type: "radio", name, value: drawing ? "place" : "whole", props: { checked: this.drawing === drawing },
        onchange: () => {
          this.drawing = drawing;
          this.draw();
          focusOn(this.place, `input[value="${drawing ? "place" : "whole"}"]`);
          this.#changed();
        },
      }), h("span", {}, label));
    fill(this.place, h("div", { class: "places" },
      h("span", { class: "field-title", id: `${name}-title` }, "Where"),
      h("span", { class: "segmented", role: "radiogroup", "aria-labelledby": `${name}-title` },
        mode(false, "Everywhere"), mode(true, "In one place")),
      this.drawing ? this.board() : h("p", { class: "field-hint" }, `Explains ${WHOLE[this.task]}.`),
      this.message));
  }

  /** The picture to draw on, and the same place in numbers, for the keyboard. */
  board() {
    const field = h("input", {
      type: "text", value: this.at, inputmode: "numeric", spellcheck: "false", autocomplete: "off",
      placeholder: "left, top, width, height", "aria-label": "Place in pixels of the picture",
      oninput: () => keep(), // what is typed outlives a redrawing
      onchange: () => {
        keep();
        this.mark();
        this.#changed();
      },
    });
    const keep = () => { this.at = field.value.replace(/\s+/g, ""); };
    this.field = field;
    const help = this.task === "detection"
      ? "Draw a box, click a detected object, or write #2 for the second detection. A box may hold what was missed."
      : "Draw a box, or click one pixel.";
    if (!this.picture) return h("div", {}, h("p", { class: "field-hint" }, "Add a picture to draw on it."), field);
    this.box = h("div", { class: "place-box", hidden: true });
    const board = h("div", {
      class: "place-board", tabindex: "0", role: "application", "aria-label": `${help} Arrow keys move the box, with Shift they size it.`,
      onpointerdown: (/** @type {PointerEvent} */ event) => this.begin(event),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.nudge(event),
    }, h("img", { src: this.picture.file, alt: "", draggable: "false", onload: () => this.mark() }), this.box);
    this.surface = board;
    // As large as fits, in the picture's own shape: a slim picture stays slim.
    const { width, height } = this.picture;
    board.style.aspectRatio = `${width} / ${height}`;
    board.style.maxWidth = `${Math.max(48, Math.min(SIDE, (TALL * width) / height))}px`;
    return h("div", { class: "place-drawing" }, board, h("p", { class: "field-hint" }, help), field);
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const surface = /** @type {HTMLElement} */ (this.surface);
    surface.focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    const start = this.point(event);
    const first = [event.clientX, event.clientY];
    const move = (/** @type {PointerEvent} */ to) => {
      const end = this.point(to);
      const far = Math.hypot(to.clientX - first[0], to.clientY - first[1]) > SLACK;
      const corner = start.map((value, i) => Math.floor(Math.min(value, end[i])));
      const size = start.map((value, i) => Math.max(1, Math.ceil(Math.max(value, end[i])) - corner[i]));
      this.at = (far ? [...corner, ...size] : corner).join(",");
      this.mark();
    };
    const stop = (/** @type {PointerEvent} */ to) => {
      surface.removeEventListener("pointermove", move);
      if (to.type === "pointerup") move(to);
      this.#changed();
    };
    surface.addEventListener("pointermove", move);
    surface.addEventListener("pointerup", stop, { once: true });
    surface.addEventListener("pointercancel", stop, { once: true });
  }

  /**
   * @param {PointerEvent} event
   * @returns {number[]} x and y in pixels of the picture
   */
  point(event) {
    const { left, top, width, height } = /** @type {HTMLElement} */ (this.surface).getBoundingClientRect();
    const picture = /** @type {Picture} */ (this.picture);
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(most - 1e-6, Math.max(0, value));
    return [within((event.clientX - left) / width * picture.width, picture.width),
      within((event.clientY - top) / height * picture.height, picture.height)];
  }

  /** @param {KeyboardEvent} event */
  nudge(event) {
    const step = STEP[/** @type {keyof typeof STEP} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const { width, height } = /** @type {Picture} */ (this.picture);
    const box = this.numbers() ?? [width * 0.375, height * 0.375, width / 4, height / 4].map(Math.round);
    const by = Math.max(1, Math.round(Math.min(width, height) / 50));
    const sizes = event.shiftKey && box.length === 4;
    [width, height].forEach((side, axis) => {
      const within = (/** @type {number} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
        Math.max(least, Math.min(most, value + step[axis] * by));
      if (sizes) box[axis + 2] = within(box[axis + 2], 1, side - box[axis]);
      else box[axis] = within(box[axis], 0, side - (box[axis + 2] ?? 1));
    });
    this.at = box.join(",");
    this.mark();
    announce(this.words().trim());
    this.#changed();
  }

  /** @returns {number[] | null} */
  numbers() {
    const numbers = this.at.split(",").map(Number);
    return [2, 4].includes(numbers.length) && numbers.every(Number.isFinite) && this.at ? numbers : null;
  }

  /** Shows the place on the picture and in the field. */
  mark() {
    if (this.field) this.field.value = this.at.replaceAll(",", ", ");
    const numbers = this.numbers();
    const { box, picture } = this;
    if (!box || !picture) return;
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
