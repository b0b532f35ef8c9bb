/** Where in the picture is asked: everything, or a box or a pixel that the visitor draws; for segmenters and detectors. */

import { fill, focusOn, freshId, h } from "../dom.js";
import { BoxBoard, placeInWords } from "./box-board.js";

/** @typedef {import("../types.js").Picture} Picture */

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

  /** @returns {string} " in the box at 10, 20, 64 × 48" */
  words() {
    const { at } = this.value();
    if (!at) return "";
    return at.startsWith("#") ? ` of detection ${at.slice(1)}` : ` ${placeInWords(at)}`;
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
      this.drawing ? this.#board() : h("p", { class: "field-hint" }, `Explains ${WHOLE[this.task]}.`),
      this.message));
  }

  #board() {
    const help = this.task === "detection"
      ? "Draw a box, click a detected object, or write #2 for the second detection. A box may hold what was missed."
      : "Draw a box, or click one pixel.";
    const board = new BoxBoard(this.picture, this.at, help);
    board.addEventListener("input", () => { this.at = board.at; }); // what is typed outlives a redrawing
    board.addEventListener("change", () => {
      this.at = board.at;
      this.#changed();
    });
    return board.element;
  }
}
