/** Labelled values as bars. */

import { h } from "../dom.js";
import { number, percent } from "../format.js";
import { each } from "./common.js";

export const kind = "bars";

/** @typedef {import("../types.js").BarsWire} BarsWire */

/** @param {BarsWire[]} panels */
export function mount(panels) {
  return each(panels, kind, (panel) => {
    const written = /** @param {number} value */ (value) => /^(probability|share)/.test(panel.units) ? percent(value) : number(value);
    const full = panel.maximum ?? Math.max(...panel.values.map(Math.abs), 0) ?? 1;
    return h("table", { class: "bars" },
      h("thead", { class: "visually-hidden" },
        h("tr", {}, h("th", { scope: "col" }, "Label"), h("th", { scope: "col" }, panel.units))),
      h("tbody", {}, panel.labels.map((label, i) => {
        const value = panel.values[i];
        const bar = h("span", { class: value < 0 ? "bar-fill negative" : "bar-fill" });
        if (panel.colors?.length) bar.style.background = panel.colors[i];
        const along = /** @param {number} end */ (end) => Math.max(0, Math.min(1, end / (full || 1))) * 100;
        bar.style.width = `${along(Math.abs(value))}%`;
        const ends = panel.intervals?.[i];
        const line = ends && h("span", { class: "bar-interval" });
        if (line) {
          line.style.left = `${along(ends[0])}%`;
          line.style.width = `${along(ends[1]) - along(ends[0])}%`;
        }
        return h("tr", { title: `${value} ${panel.units}` },
          h("th", { scope: "row" }, label),
          h("td", { class: "bar-value" }, written(value), ends && h("span", { class: "bar-ends" }, ` ${written(ends[0])} to ${written(ends[1])}`)),
          h("td", { class: "bar-cell", "aria-hidden": "true" }, h("span", { class: "bar-track" }, bar, line)));
      })));
  });
}
