/** Labelled values as bars. */

import { h } from "../dom.js";
import { number, percent } from "../format.js";
import { each } from "./common.js";

export const kind = "bars";

/** @typedef {import("../types.js").BarsWire} BarsWire */

/** @param {BarsWire[]} panels */
export function mount(panels) {
  return each(panels, kind, (panel) => {
    const full = panel.maximum ?? Math.max(...panel.values.map(Math.abs), 0) ?? 1;
    return h("table", { class: "bars" },
      h("thead", { class: "visually-hidden" },
        h("tr", {}, h("th", { scope: "col" }, "Label"), h("th", { scope: "col" }, panel.units))),
      h("tbody", {}, panel.labels.map((label, i) => {
        const value = panel.values[i];
        const bar = h("span", { class: value < 0 ? "bar-fill negative" : "bar-fill" });
        if (panel.colors?.length) bar.style.background = panel.colors[i];
        bar.style.width = `${Math.min(1, Math.abs(value) / (full || 1)) * 100}%`;
        return h("tr", { title: `${value} ${panel.units}` },
          h("th", { scope: "row" }, label),
          h("td", { class: "bar-value" }, /^(probability|share)/.test(panel.units) ? percent(value) : number(value)),
          h("td", { class: "bar-cell", "aria-hidden": "true" }, bar));
      })));
  });
}
