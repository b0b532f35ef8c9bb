/** A drawing of lines and areas, shown as a picture: nothing in it can run. */

import { h } from "../dom.js";
import { each } from "./common.js";

export const kind = "drawing";

/** @param {import("../types.js").DrawingWire[]} panels */
export function mount(panels) {
  return each(panels, kind, (panel) => h("div", {
    class: "drawing", tabindex: "0", role: "group", "aria-label": panel.title,
  }, h("img", { src: `data:image/svg+xml,${encodeURIComponent(panel.svg)}`, alt: panel.title })));
}
