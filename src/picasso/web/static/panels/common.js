/** What panel kinds that draw each panel by itself share: heading, caption, and redrawing. */

import { fill, h } from "../dom.js";

/** @typedef {import("../types.js").Wire} Wire */

/**
 * @template {Wire} P
 * @param {P[]} panels
 * @param {string} kind
 * @param {(panel: P) => Node} draw
 */
export function each(panels, kind, draw) {
  const element = h("div", { class: "plain-panels", "data-kind": kind });
  const view = {
    element,
    /** @param {P[]} next */
    update(next) {
      fill(element, next.map((panel) =>
        h("section", { class: "plain-panel", "data-panel": panel.id },
          panel.title && h("h3", {}, panel.title),
          draw(panel),
          panel.caption && h("p", { class: "caption" }, panel.caption))));
    },
  };
  view.update(panels);
  return view;
}
