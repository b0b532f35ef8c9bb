/** What panel kinds that draw each panel by itself share: heading, caption, and redrawing. */

import { fill, h } from "../dom.js";
import { prose } from "../format.js";

/** @typedef {import("../types.js").Wire} Wire */

/**
 * A panel that comes again as it was is left alone; one that changed takes the place of the earlier one.
 *
 * @template {Wire} P
 * @param {P[]} panels
 * @param {string} kind
 * @param {(panel: P, before: HTMLElement | null) => Node} draw given what it drew before under the same id
 */
export function each(panels, kind, draw) {
  const element = h("div", { class: "plain-panels", "data-kind": kind });
  /** @type {Map<string, {wire: string, words: string, section: HTMLElement, drawn: Node}>} */
  let shown = new Map();
  const view = {
    element,
    /** @param {P[]} next */
    update(next) {
      /** @type {typeof shown} */
      const now = new Map();
      for (const panel of next) {
        const wire = JSON.stringify(panel);
        const before = shown.get(panel.id);
        if (before?.wire === wire) {
          now.set(panel.id, before);
          continue;
        }
        const drawn = draw(panel, /** @type {HTMLElement | null} */ (before?.drawn ?? null));
        const section = before?.section ?? h("section", { class: "plain-panel", "data-panel": panel.id });
        const words = `${panel.title}\n${panel.caption}`;
        if (drawn !== before?.drawn || words !== before.words) {
          fill(section, panel.title && h("h3", {}, panel.title), drawn,
            panel.caption && h("p", { class: "caption" }, prose(panel.caption)));
        }
        now.set(panel.id, { wire, words, section, drawn });
      }
      shown = now;
      const sections = [...now.values()].map(({ section }) => section);
      if (sections.length !== element.children.length || sections.some((one, i) => element.children[i] !== one)) {
        fill(element, sections);
      }
    },
  };
  view.update(panels);
  return view;
}
