/** What the model says of the picture: its best classes; those that were not explained are one click away. */

import { fill, h } from "../dom.js";
import { number, percent } from "../format.js";

const SHOWN = 8;
/** Of so many classes at most a result says something. */
const KEPT = 100;

/**
 * @typedef {object} ClassListing
 * @property {{index: number, label: string, probability: number}[]} predictions best first
 * @property {number | null} classes how many the model has, where that is known; a result keeps its best alone
 * @property {boolean} scores whether the values are scores, not probabilities
 * @property {(label: string) => string} explainHref where another class is explained
 */

/**
 * @param {HTMLElement} place
 * @param {ClassListing | null} listing
 * @param {Map<string, string>} explained panel ids by class label
 * @param {string} selected the shown panel
 * @param {(id: string) => void} select
 */
export function drawClassList(place, listing, explained, selected, select) {
  // Where every class is explained the tabs say it all.
  place.hidden = !listing || listing.predictions.every(({ label }) => explained.has(label));
  if (!listing || place.hidden) return;
  const top = listing.predictions.slice(0, SHOWN);
  const count = listing.predictions.length < KEPT ? listing.predictions.length : listing.classes;
  fill(place,
    h("h3", {}, "What the model says"),
    h("ol", {}, top.map(({ label, probability }) => {
      const id = explained.get(label);
      const name = id
        ? h("button", {
          type: "button", class: "text", title: `Show the map for ${label}`, "aria-current": id === selected ? "true" : null,
          onclick: () => select(id),
        }, label)
        : h("a", { href: listing.explainHref(label), title: `Explain ${label}` }, label);
      const bar = h("span", { class: "bar-fill" });
      bar.style.width = `${Math.max(0, Math.min(1, probability)) * 100}%`;
      return h("li", {}, name, h("span", { class: "class-amount" }, listing.scores ? number(probability) : percent(probability)),
        !listing.scores && h("span", { class: "class-bar", "aria-hidden": "true" }, bar));
    })),
    count !== top.length && h("p", { class: "muted small" }, count === null ? "and more" : `and ${(count - top.length).toLocaleString("en-US")} more`));
}
