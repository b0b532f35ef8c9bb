/** Pictures side by side. */

import { loadArray, pictureCanvas } from "../arrays.js";
import { fill, h } from "../dom.js";
import { each } from "./common.js";

export const kind = "images";

/**
 * @param {import("../types.js").ImagesWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  return each(panels, kind, (panel, before) => {
    // A picture stays until the one that replaces it is there.
    const earlier = [...(before?.querySelectorAll(".image-place") ?? [])];
    return h("div", { class: "image-row" }, panel.pictures.map((reference, i) => {
      const caption = panel.captions?.[i] ?? "";
      const place = h("div", { class: "image-place" }, [...(earlier[i]?.children ?? [])]);
      place.style.width = `${Math.min(360, Math.max(224, reference.shape[1]))}px`;
      place.style.aspectRatio = `${reference.shape[1]} / ${reference.shape[0]}`;
      whenNear(place, () => loadArray(reference).then((array) => {
        const canvas = pictureCanvas(array);
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", caption || panel.title);
        canvas.classList.toggle("coarse", reference.shape[1] < 256);
        fill(place, canvas);
      }, context.fail));
      return h("figure", {}, place, caption && h("figcaption", {}, caption));
    }));
  });
}

/**
 * @param {HTMLElement} place
 * @param {() => void} act done once, when the place is about to be seen
 */
function whenNear(place, act) {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  }, { rootMargin: "1200px" }).observe(place);
}
