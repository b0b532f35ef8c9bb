/** Paragraphs; also what an unknown kind of panel becomes. */

import { h } from "../dom.js";
import { prose } from "../format.js";
import { each } from "./common.js";

export const kind = "text";

/** @param {import("../types.js").TextWire[]} panels */
export function mount(panels) {
  return each(panels, kind, (panel) => {
    const text = panel.text ?? `This page cannot draw panels of the kind "${panel.kind}". Export the result instead.`;
    return h("div", { class: "prose" }, text.split(/\n\s*\n/).map((part) => h("p", {}, prose(part))));
  });
}
