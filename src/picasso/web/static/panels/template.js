/** A panel laid out by a plug-in's own template: the server rendered and sanitized it; it gets a room of its own. */

import { h } from "../dom.js";
import { each } from "./common.js";

export const kind = "template";

/** @param {import("../types.js").TemplateWire[]} panels */
export function mount(panels) {
  return each(panels, kind, (panel, before) => {
    const known = before?.shadowRoot?.querySelector(".template-body");
    if (before && known) {
      known.innerHTML = panel.html ?? "";
      return before;
    }
    const host = h("div", { class: "template-host" });
    const room = host.attachShadow({ mode: "open" });
    const styles = ["base", "result", "lists", "narrow"].map((part) => h("link", { rel: "stylesheet", href: `/static/styles/${part}.css` }));
    const body = h("div", { class: "prose template-body" });
    // The content security policy lets neither scripts nor inline styles of the markup run.
    body.innerHTML = panel.html ?? "";
    room.append(...styles, body);
    return host;
  });
}
