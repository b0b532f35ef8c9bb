/** The scorecard as a table: one row for each map, and in words what it says. */

import { h, icon } from "../dom.js";
import { prose } from "../format.js";

/** @typedef {{mean: number, low: number | null, high: number | null, pictures: number}} Figure */

const MARKS = { trust: ["yes", "check"], "with care": ["care", "warn"], "do not trust": ["no", "close"] };

/** @type {[string, string][]} each measure and what it means */
const MEANINGS = [
  ["Relevance gain", "How much longer the score lasts when the least relevant is removed first than when the most relevant is. High is good."],
  ["Above Sobel", "The same, less that of an edge filter that knows no model. Below zero is a red mark."],
  ["Single patches", "Rank correlation, \u22121 to 1, with the fall of the score when single patches are removed. Near 1 is good."],
  ["Weights shuffled", "Rank correlation \u03c1 of the map with that of the same network whose weights were shuffled. Low is good."],
  ["Same twice", "Whether two runs with one seed agree."],
  ["Sensitivity", "How much of itself the map changes under noise that nobody sees. Low is good."],
  ["Adds up", "Of maps that promise to sum to the change of the score: by which share they miss it. Near zero is good."],
];

/** @type {[string, string][]} the same against a mask of the object, where one was given */
const MASK_MEANINGS = [
  ["Points at mask", "Whether the map\u2019s largest value lies in the mask, 0 or 1."],
  ["Mass in mask", "The mask\u2019s share of all that is positive in the map. A map without any aim reaches the mask\u2019s share of the picture."],
  ["Overlap", "Of the mask and as many of the largest values: intersection over union, 0 to 1."],
];

/** @param {any[]} cards */
function isMasked(cards) {
  return cards.some((card) => card.pointing);
}

/**
 * @param {number} value
 * @param {number} [digits]
 */
function fixed(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** @param {Figure | null} figure */
function interval(figure) {
  if (!figure || figure.low === null || figure.high === null || figure.low === undefined) return null;
  return h("small", {}, `${fixed(figure.low)} \u2026 ${fixed(/** @type {number} */ (figure.high))}`);
}

/**
 * @param {string} label
 * @param {...any} inside
 */
function cell(label, ...inside) {
  const some = inside.some((one) => one !== null && one !== undefined && one !== false);
  return h("td", { "data-label": label, class: !some && "none" }, some ? inside : "\u2013");
}

/**
 * @param {string} label
 * @param {Figure | null} figure
 */
function measured(label, figure) {
  return figure ? cell(label, fixed(figure.mean), interval(figure)) : cell(label);
}

/**
 * A number that the reader must not overlook: with a sign and in words, not by color alone.
 *
 * @param {string} label
 * @param {"good" | "unsure" | "bad"} kind
 * @param {string} words
 * @param {...any} more
 */
function marked(label, kind, words, ...more) {
  const shape = /** @type {const} */ ({ good: "check", unsure: "question", bad: "close" })[kind];
  return h("td", { "data-label": label, class: kind },
    h("span", { class: "mark" }, icon(shape), words), ...more);
}

/**
 * @param {Figure} over by how much it is above the edge filter
 */
function aboveSobel(over) {
  const { mean, low } = over;
  const kind = mean <= 0 ? "bad" : (low ?? mean) > 0 ? "good" : "unsure";
  const words = { good: null, unsure: h("small", {}, "not surely better than edges"), bad: h("small", {}, "no better than edges") };
  return marked("Above Sobel", kind, fixed(mean), words[kind], interval(over));
}

/** @param {string} trust "trust", "with care" or "do not trust" */
export function trustMark(trust) {
  const [kind, shape] = MARKS[/** @type {keyof typeof MARKS} */ (trust)];
  return h("span", { class: ["trust", kind] }, icon(/** @type {any} */ (shape)), trust);
}

/**
 * @param {any[]} cards
 * @returns {string} "yes", "care" or "no": how the least trusted of the maps is marked; "" where none is judged
 */
export function worstTrust(cards) {
  const found = cards.filter((card) => !card.control).map((card) => MARKS[/** @type {keyof typeof MARKS} */ (card.trust)]?.[0]);
  return ["no", "care", "yes"].find((kind) => found.includes(kind)) ?? "";
}

/**
 * @param {any} card
 * @param {boolean} judged whether to say beside its title if it is to be trusted
 * @param {boolean} masked whether to say how it lies to the mask
 */
function row(card, judged, masked) {
  const head = h("th", { scope: "row" }, card.title,
    card.control ? h("small", {}, "control") : judged && card.trust && trustMark(card.trust));
  if (card.failed) return h("tr", {}, head, h("td", { class: "failed", colspan: MEANINGS.length + (masked ? MASK_MEANINGS.length : 0) }, card.failed));
  const over = card.over_sobel;
  const tested = card.randomization;
  return h("tr", { class: card.control && "control" }, head,
    measured("Relevance gain", card.gain),
    over && !card.control
      ? aboveSobel(over)
      : measured("Above Sobel", over),
    measured("Single patches", card.patches),
    tested
      ? marked("Weights shuffled", tested.passed ? "good" : "bad", tested.passed ? "forgets" : "stays", h("small", {}, `\u03c1 = ${fixed(tested.similarity)}`))
      : cell("Weights shuffled", card.control ? null : h("span", { title: card.untested }, "untested")),
    cell("Same twice", card.repeat === null ? null : card.repeat === 0 ? "yes" : card.repeat.toExponential(1)),
    measured("Sensitivity", card.sensitivity),
    cell("Adds up", card.completeness ? card.completeness.mean.toExponential(1) : null),
    masked && [measured("Points at mask", card.pointing), measured("Mass in mask", card.mass), measured("Overlap", card.overlap)]);
}

/**
 * @param {any[]} cards of methods and controls
 * @param {string} caption
 * @param {boolean} [judged] whether to say beside each title if it is to be trusted
 * @returns {HTMLElement}
 */
export function cardTable(cards, caption, judged = true) {
  const masked = isMasked(cards);
  return h("table", { class: "score-card" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Map"),
      [...MEANINGS, ...(masked ? MASK_MEANINGS : [])].map(([name, meaning]) => h("th", { scope: "col", title: meaning }, name)))),
    h("tbody", {}, cards.map((card) => row(card, judged, masked))));
}

/**
 * @param {any[]} cards
 * @returns {HTMLElement} what each column means
 */
export function meanings(cards) {
  const masked = isMasked(cards);
  return h("details", { class: "meanings" }, h("summary", {}, "How to read the card"),
    h("dl", {}, [...MEANINGS, ...(masked ? MASK_MEANINGS : [])].map(([name, meaning]) => [h("dt", {}, name), h("dd", {}, meaning)]).flat()),
    h("p", { class: "small muted" }, "Edges, a spot in the middle and noise are controls: they know nothing of the model."),
    masked && h("p", { class: "small muted" }, "A map that misses the object may be right: the model may look elsewhere. So the mask\u2019s columns have no part in the trust."));
}

/**
 * @param {any} document of a comparison
 * @returns {HTMLElement} the verdict, a sentence a line
 */
export function verdict(document) {
  return h("ul", { class: "verdict" }, document.verdict.map((/** @type {string} */ sentence) => h("li", {}, prose(sentence))));
}

/**
 * @param {any[]} cards
 * @returns {HTMLElement} why each map is judged so
 */
export function reasons(cards) {
  const judged = cards.filter((card) => !card.control && card.reasons.length);
  return h("div", { class: "reasons" }, judged.map((card) => h("div", {},
    judged.length > 1 && h("h4", {}, card.title),
    h("ul", {}, card.reasons.map((/** @type {string} */ reason) => h("li", {}, prose(reason)))))));
}
