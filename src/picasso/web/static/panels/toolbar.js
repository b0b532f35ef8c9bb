/** The controls under a figure: strength of the colors, zoom, and what is shown. */

import { fill, h, icon } from "../dom.js";
import { display } from "./display.js";
import { keptName } from "./heatmap-values.js";

/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */

/**
 * @param {import("./viewport.js").Viewport} viewport
 */
export function toolbar(viewport) {
  const opacity = h("input", {
    type: "range", min: 0, max: 100, step: 1, class: "slider",
    oninput: () => display.set({ opacity: Number(opacity.value) / 100 }),
  });
  const amount = h("output", {});
  const zoomed = h("output", { class: "zoomed" });
  const zoom = (/** @type {string} */ name, /** @type {any} */ drawn, /** @type {() => void} */ act) =>
    h("button", { type: "button", class: "icon-only", title: name, "aria-label": name, onclick: act }, icon(drawn));
  const fit = zoom("Show all", "fit", () => viewport.reset());
  const out = zoom("Zoom out", "minus", () => viewport.zoomBy(1 / 1.5));
  const toggles = h("div", { class: "toggles" });
  const element = h("div", { class: "toolbar", role: "group", "aria-label": "View" },
    h("label", { class: "opacity" }, h("span", {}, "Map strength"), opacity, amount),
    h("div", { class: "zoom", role: "group", "aria-label": "Zoom" },
      out, zoomed, zoom("Zoom in", "plus", () => viewport.zoomBy(1.5)), fit),
    toggles);

  const showZoom = () => {
    zoomed.textContent = `${Math.round(viewport.zoom * 100)}%`;
    fit.disabled = viewport.zoom === 1;
    out.disabled = viewport.zoom === 1;
  };
  viewport.addEventListener("change", showZoom);
  showZoom();

  /** @type {{input: HTMLInputElement, key: "seen" | "native" | "kept" | "all"}[]} */
  let offered = [];

  return {
    element,

    /**
     * Offers the toggles that fit these maps.
     *
     * @param {HeatmapWire[]} panels
     */
    offer(panels) {
      /** @type {["seen" | "native" | "kept" | "all", string, string][]} */
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
      if (panels.length > 1) {
        choices.push(["all", "All classes", "Shows the maps of all explained classes side by side."]);
      }
      if (offered.length === choices.length && choices.every(([, name], i) => offered[i].input.name === name)) return;
      offered = choices.map(([key, name, title]) => ({
        key,
        input: h("input", {
          type: "checkbox", role: "switch", name, title,
          onchange: (/** @type {Event} */ event) =>
            display.set({ [key]: /** @type {HTMLInputElement} */ (event.target).checked }),
        }),
      }));
      fill(toggles, offered.map(({ input }, i) =>
        h("label", { class: "switch", title: choices[i][2] }, input, h("span", {}, choices[i][1]))));
    },

    sync() {
      const percent = Math.round(display.opacity * 100);
      opacity.value = String(percent);
      amount.textContent = `${percent}%`;
      for (const { input, key } of offered) input.checked = display[key];
    },
  };
}
