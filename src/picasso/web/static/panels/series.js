/** Steps in their order, one at a time: moved by a slider, by keys, by a filmstrip, or played. */

import { loadArray, pictureCanvas } from "../arrays.js";
import { fill, freshId, h, icon } from "../dom.js";
import { prose } from "../format.js";
import { PanelGroups } from "./groups.js";

export const kind = "series";
const PLAY_MS = 900;

/** @typedef {import("../types.js").SeriesWire} SeriesWire */

/**
 * @param {SeriesWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  const view = new SeriesView(context);
  view.update(panels);
  return view;
}

class SeriesView {
  /** @param {import("../types.js").PanelContext} context */
  constructor(context) {
    this.context = context;
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.name = h("label", { for: freshId("step") });
    this.slider = h("input", {
      type: "range", class: "slider", min: 0, step: 1, id: this.name.getAttribute("for"),
      oninput: () => {
        this.pause();
        this.go(Number(this.slider.value));
      },
    });
    this.here = h("output", { for: this.slider.id });
    this.button = h("button", { type: "button", class: "series-play", onclick: () => (this.timer ? this.pause() : this.play()) });
    this.strip = h("ol", { class: "series-strip" });
    this.body = h("div", { class: "series-body" });
    this.groups = new PanelGroups(this.body, () => context);
    this.element = h("section", { class: "plain-panel series", "data-kind": kind },
      this.heading, this.caption,
      h("div", { class: "series-controls" }, this.button, this.name, this.slider, this.here),
      this.strip, this.body);
    /** Place of the step that is shown; null before anybody has chosen one: then it is the last. */
    this.at = /** @type {number | null} */ (null);
    this.timer = 0;
  }

  /** @param {SeriesWire[]} panels */
  update([panel]) {
    this.panel = panel;
    this.element.dataset.panel = panel.id;
    this.heading.textContent = panel.title;
    this.caption.textContent = prose(panel.caption);
    this.name.textContent = panel.noun.charAt(0).toUpperCase() + panel.noun.slice(1);
    this.slider.max = String(panel.steps.length - 1);
    const alone = panel.steps.length < 2;
    for (const one of [this.button, this.slider, this.name]) one.hidden = alone;
    this.drawStrip();
    this.drawButton();
    this.go(this.at ?? panel.steps.length - 1, this.at !== null);
    this.element.dataset.ready = String(panel.steps.length);
  }

  /** Draws a small picture of each step; one click leads there. */
  drawStrip() {
    const { steps } = /** @type {SeriesWire} */ (this.panel);
    const pictured = steps.length > 1 && steps.some(({ picture }) => picture);
    this.strip.hidden = !pictured;
    this.buttons = steps.map(({ label, picture }, i) => {
      const place = h("span", { class: "series-picture" });
      if (picture && pictured) {
        loadArray(picture).then((array) => {
          const canvas = pictureCanvas(array);
          canvas.setAttribute("aria-hidden", "true");
          fill(place, canvas);
        }, this.context.fail);
      }
      return h("button", {
        type: "button", onclick: () => {
          this.pause();
          this.go(i);
        },
      }, place, h("span", {}, label));
    });
    fill(this.strip, this.buttons.map((button) => h("li", {}, button)));
  }

  drawButton() {
    fill(this.button, icon(this.timer ? "pause" : "play"), h("span", {}, this.timer ? "Pause" : "Play"));
  }

  /**
   * @param {number} step
   * @param {boolean} [chosen] whether somebody asked for it
   */
  go(step, chosen = true) {
    const { steps, noun } = /** @type {SeriesWire} */ (this.panel);
    const at = Math.min(Math.max(step, 0), steps.length - 1);
    if (chosen) this.at = at;
    const { label, panels } = steps[at];
    this.slider.value = String(at);
    this.slider.setAttribute("aria-valuetext", `${label}, ${noun} ${at + 1} of ${steps.length}`);
    fill(this.here, h("b", {}, label), steps.length > 1 && h("span", { class: "muted" }, ` ${at + 1} of ${steps.length}`));
    this.element.dataset.step = String(at);
    this.buttons?.forEach((button, i) => {
      if (i === at) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
    this.reveal(this.buttons?.[at]);
    this.groups.show(panels);
  }

  /**
   * Scrolls the strip, and nothing else, so far that a step's picture is seen.
   *
   * @param {HTMLElement | undefined} button
   */
  reveal(button) {
    if (!button || this.strip.hidden) return;
    const [outer, inner] = [this.strip.getBoundingClientRect(), button.getBoundingClientRect()];
    if (inner.left < outer.left) this.strip.scrollLeft -= outer.left - inner.left;
    if (inner.right > outer.right) this.strip.scrollLeft += inner.right - outer.right;
  }

  /** Shows one step after another; begins anew where the last one is shown. */
  play() {
    const count = () => /** @type {SeriesWire} */ (this.panel).steps.length;
    if ((this.at ?? count() - 1) >= count() - 1) this.go(0);
    this.timer = setInterval(() => {
      if ((this.at ?? 0) >= count() - 1) this.pause();
      else this.go((this.at ?? 0) + 1);
    }, PLAY_MS);
    this.drawButton();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.drawButton();
  }

  close() {
    this.pause();
    this.groups.close();
  }
}
