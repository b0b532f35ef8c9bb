/** The contact sheet of test pictures, with the objects and without. */

import { fill, h } from "../dom.js";

/** @typedef {import("./story-types.js").Story} Story */
/** @typedef {import("./story-types.js").Shot} Shot */

/** @param {Shot} shot */
const address = (shot) => `/story-assets/${shot.file}`;

/**
 * @param {Story} story
 * @returns {{shot: Shot, erased: Shot | undefined}[]} tanks and decoys by turns
 */
function pairs(story) {
  const whole = story.sheet.filter((shot) => !shot.erased);
  const tanks = whole.filter((shot) => shot.label === "tank");
  const decoys = whole.filter((shot) => shot.label === "decoy");
  const mixed = tanks.flatMap((shot, i) => [shot, decoys[i]]).filter(Boolean);
  return mixed.map((shot) => {
    const name = shot.file.replace(/(\.\w+)$/, "-erased$1");
    return { shot, erased: story.sheet.find((one) => one.file === name) };
  });
}

/**
 * @param {HTMLElement} place
 * @param {Story} story
 */
export function drawSheet(place, story) {
  fill(place, pairs(story).map(({ shot }) =>
    h("li", {}, h("figure", {},
      h("img", { src: address(shot), alt: "", width: 128, height: 128 }), h("figcaption", {}, shot.label)))));
}

/**
 * The objects fade away, one after the other, when the sheet comes into view.
 *
 * @param {HTMLElement} place
 * @param {HTMLButtonElement} button puts them back and takes them away
 * @param {Story} story
 */
export function drawErased(place, button, story) {
  const shots = pairs(story).filter(({ erased }) => erased);
  fill(place, shots.map(({ shot, erased }, i) => {
    const front = h("img", { src: address(shot), alt: "", width: 128, height: 128, class: "front" });
    front.style.transitionDelay = `${i * 90}ms`;
    return h("li", {}, h("figure", {},
      h("div", { class: "pair" },
        h("img", { src: address(/** @type {Shot} */ (erased)), alt: "", width: 128, height: 128 }), front),
      h("figcaption", {}, `was: ${shot.label}`)));
  }));
  const erase = (/** @type {boolean} */ gone) => {
    place.classList.toggle("gone", gone);
    button.setAttribute("aria-pressed", String(!gone));
    button.textContent = gone ? "Put them back" : "Erase them";
  };
  button.addEventListener("click", () => erase(!place.classList.contains("gone")));
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    erase(true);
  }, { threshold: 0.5 }).observe(place);
}
