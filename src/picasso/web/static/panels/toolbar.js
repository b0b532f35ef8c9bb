/** The controls under a figure: strength of the colors, what is shown, and zoom. */

import { fill, h, icon } from "../dom.js";
import { display } from "./display.js";
import { SMOOTH } from "./extraction.js";
import { keptName } from "./heatmap-values.js";

/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */
/** @typedef {"seen" | "native" | "kept" | "all" | "size" | "smooth" | "box"} Toggle */

/** How maps are shown; the choice holds for all results of the page. */
export class DisplayControls {
  constructor() {
    this.opacity = h("input", {
      type: "range", min: 0, max: 100, step: 1, class: "slider",
      oninput: () => display.set({ opacity: Number(this.opacity.value) / 100 }),
    });
    this.amount = h("output", {});
    this.threshold = h("input", {
      type: "range", min: 1, max: 100, step: 1, class: "slider",
      oninput: () => display.set({ threshold: Number(this.threshold.value) / 100 }),
    });
    this.share = h("output", {});
    this.cut = h("label", { class: "opacity cut", title: "From which share of the map's maximum a pixel counts." },
      h("span", {}, "Box from"), this.threshold, this.share);
    this.toggles = h("div", { class: "toggles" });
    this.element = h("div", { class: "display-controls", role: "group", "aria-label": "What is shown" },
      h("label", { class: "opacity" }, h("span", {}, "Map strength"), this.opacity, this.amount), this.toggles,
      this.cut);
    /** @type {{input: HTMLInputElement, key: Toggle}[]} */
    this.offered = [];
    this.keys = "";
  }

  /**
   * Offers the toggles that fit these maps.
   *
   * @param {HeatmapWire[]} panels
   */
  offer(panels) {
    /** @type {[Toggle, string, string][]} */
    const choices = [["seen", "What the model saw", "Shows the picture after resizing, as the network reads it."]];
    const native = panels.find((panel) => panel.native)?.native;
    if (native) {
      const [rows, columns] = native.shape;
      choices.push(["native", `Native grid, ${columns} \u00d7 ${rows}`,
        "Shows the method's own resolution, one square for each value."]);
    }
    if (panels.every((panel) => panel.kept)) {
      choices.push(["kept", keptName(panels[0]), "Shows what was left of the score, bright where it stayed."]);
    }
    if (panels.some((panel) => panel.sign === "signed")) {
      choices.push(["size", "Size only", "Shows how large the values are, whatever their sign."]);
    }
    choices.push(["smooth", "Smoothed",
      `Shows the map under a Gaussian of ${SMOOTH * 100}% of its shorter side; the numbers stay as they are.`]);
    choices.push(["box", "Box", "Outlines the largest part that the map points at, and draws a box around it."]);
    if (panels.length > 1) {
      choices.push(["all", "All classes", "Shows the maps of all explained classes side by side."]);
    }
    // Only what is offered anew is made anew: a map that sharpens has another grid, and the hand may be on its switch.
    const keys = choices.map(([key]) => key).join();
    if (keys === this.keys) {
      this.toggles.querySelectorAll("span").forEach((/** @type {HTMLElement} */ span, /** @type {number} */ i) =>
        (span.textContent = choices[i][1]));
    } else {
      this.keys = keys;
      this.offered = choices.map(([key]) => ({ key, input: this.input(key) }));
      fill(this.toggles, this.offered.map(({ input }, i) =>
        h("label", { class: "switch", title: choices[i][2] }, input, h("span", {}, choices[i][1]))));
    }
    this.sync();
  }

  /** @param {Toggle} key */
  input(key) {
    return h("input", {
      type: "checkbox", role: "switch",
      onchange: (/** @type {Event} */ event) =>
        display.set({ [key]: /** @type {HTMLInputElement} */ (event.target).checked }),
    });
  }

  sync() {
    const percent = Math.round(display.opacity * 100);
    this.opacity.value = String(percent);
    this.amount.textContent = `${percent}%`;
    const cut = Math.round(display.threshold * 100);
    this.threshold.value = String(cut);
    this.share.textContent = `${cut}%`;
    this.cut.hidden = !display.box;
    for (const { input, key } of this.offered) input.checked = display[key];
  }
}

/**
 * @param {import("./viewport.js").Viewport} viewport
 * @returns {HTMLElement}
 */
export function zoomControls(viewport) {
  const zoomed = h("output", { class: "zoomed" });
  const button = (/** @type {string} */ name, /** @type {any} */ drawn, /** @type {() => void} */ act) =>
    h("button", { type: "button", class: "icon-only", title: name, "aria-label": name, onclick: act }, icon(drawn));
  const fit = button("Show all", "fit", () => viewport.reset());
  const out = button("Zoom out", "minus", () => viewport.zoomBy(1 / 1.5));
  const show = () => {
    zoomed.textContent = `${Math.round(viewport.zoom * 100)}%`;
    fit.disabled = viewport.zoom === 1;
    out.disabled = viewport.zoom === 1;
  };
  viewport.addEventListener("change", show);
  show();
  return h("div", { class: "zoom", role: "group", "aria-label": "Zoom" },
    out, zoomed, button("Zoom in", "plus", () => viewport.zoomBy(1.5)), fit);
}
