/** /comparisons/{key}: the verdict, the card, and the maps side by side on one scale. */

import { get } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { ago, number, plural } from "../format.js";
import { cardTable, meanings, reasons, trustMark, verdict, worstTrust } from "../parts/card.js";
import { compareHref } from "../parts/compare-address.js";
import { deletes } from "../parts/delete-dialog.js";
import { problem } from "../parts/problem.js";

const place = /** @type {HTMLElement} */ (document.getElementById("comparison"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("confirm"));
const key = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const path = `/comparisons/${encodeURIComponent(key)}`;

/** @param {any} comparison */
function againHref({ model, pictures, masks, document }) {
  const methods = document.cards.filter((/** @type {any} */ card) => !card.control).map((/** @type {any} */ card) => card.name);
  return compareHref({ model, pictures, masks: pictures.map((/** @type {string} */ _, /** @type {number} */ at) => masks[at]), methods });
}

/** @param {any} comparison */
function actions(comparison) {
  const item = (/** @type {string} */ form, /** @type {string} */ what) =>
    h("li", {}, h("a", { href: comparison.exports[form], download: true }, h("b", {}, form.toUpperCase()), h("span", {}, what)));
  return h("div", { class: "result-actions" },
    h("a", { class: "button", href: againHref(comparison) }, icon("again"), "Compare others"),
    h("details", { class: "menu" }, h("summary", { class: "button" }, icon("down"), "Export"),
      h("ul", {}, item("html", "one page with everything in it"), item("json", "every number"), item("npz", "the maps and the curves"))),
    h("button", { type: "button", class: "danger", onclick: () => dialog.showModal() }, icon("trash"), "Delete"));
}

deletes(dialog, path, "/compare", place);

/** @param {any} tested what is known of a map, null for a control */
function said(tested) {
  if (!tested || tested.standing === "passed") return null;
  return h("span", { class: ["map-said", tested.standing] }, tested.sentence);
}

/**
 * @param {any} shown one picture
 * @param {Map<string, any>} cards
 * @param {string} units
 * @param {boolean} masked whether the object's outline is drawn
 */
function maps(shown, cards, units, masked) {
  const outlined = masked ? ", with the mask\u2019s edge" : "";
  const figure = (/** @type {import("../types.js").ArrayRef} */ { url, shape: [height, width] }, /** @type {string} */ alt,
    /** @type {...any} */ ...caption) =>
    h("figure", {}, h("img", { src: `${url}.png`, alt, width, height, loading: "lazy" }), h("figcaption", {}, caption));
  return h("section", { class: "compared", "aria-label": shown.name },
    h("h3", {}, shown.name, h("span", { class: "muted" }, ` explained: ${shown.target}, ${units} ${number(shown.score)}`)),
    h("div", { class: "compared-maps" },
      figure(shown.view, `What the model sees of ${shown.name}${outlined}`, `What the model sees${outlined}`),
      shown.maps.map((/** @type {any} */ map) => {
        const card = cards.get(map.name);
        return figure(map.image, `${map.title} of ${shown.name}${outlined}`, h("b", {}, map.title), " ",
          card?.trust ? trustMark(card.trust) : h("span", { class: "muted" }, "control"), h("br"), h("span", { class: "muted" }, map.units),
          said(card?.tested));
      })));
}

/** @param {any} comparison */
function draw(comparison) {
  const { document: said, shown, model, pictures, masks, created } = comparison;
  const masked = new Set(pictures.filter((/** @type {string} */ _, /** @type {number} */ at) => masks[at]));
  const cards = new Map(said.cards.map((/** @type {any} */ card) => [card.name, card]));
  document.title = `Which map to believe: ${model} \u00b7 Picasso`;
  fill(place,
    h("header", { class: "page-head" },
      h("div", {}, h("h1", {}, "Which map to believe"),
        h("p", {}, `${model} \u00b7 ${plural(pictures.length, "picture")} \u00b7 ${ago(created)}`)),
      actions(comparison)),
    h("section", { class: ["verdict-box", worstTrust(said.cards)], "aria-label": "In plain words" }, verdict(said)),
    h("section", { class: "compared-card" }, h("h2", {}, "The card"),
      h("p", { class: "small muted" }, "Small print: where the mean over all such pictures lies, with 95% confidence."),
      masked.size > 0 && masked.size < pictures.length && h("p", { class: "small muted" },
        `The mask\u2019s columns are measured on ${masked.size} of ${pictures.length} pictures, those with a mask.`),
      cardTable(said.cards, "Scorecard"), reasons(said.cards), meanings(said.cards)),
    h("section", { class: "compared-all" }, h("h2", {}, "The maps"),
      h("p", { class: "small muted" }, "One scale for all: each value as a share of its own map\u2019s largest size, since their units differ. "
        + "Blue speaks against the target, red for it." + (masked.size ? " The line in white and black is the mask\u2019s edge." : "")),
      shown.map((/** @type {any} */ one) => maps(one, cards, said.model.score_units, masked.has(one.picture))),
      shown.length < pictures.length && h("p", { class: "small muted" },
        `The first ${shown.length} of ${pictures.length} pictures are shown; all are measured.`)));
}

try {
  draw(await get(path));
} catch (error) {
  fill(place, problem(/** @type {any} */ (error)));
} finally {
  place.removeAttribute("aria-busy");
}
