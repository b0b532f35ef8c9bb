/** How the scores move: bars with numbers, before and after, beside what the map says of the change. */

import { fill, h } from "../dom.js";
import { number, percent } from "../format.js";

/** @typedef {import("./prediction.js").Prediction} Prediction */
/** @typedef {{index: number, label: string, minus: number | null, asked: boolean, score: [number, number],
 *   probability: [number, number] | null, units: string}} Moved */

/** @param {Moved} moved */
export const keyOf = ({ index, minus }) => `${index}-${minus ?? ""}`;

/** @param {number} value */
const signed = (value) => (value > 0 ? `+${number(value)}` : number(value));

/**
 * @param {Element} place
 * @param {Moved[]} moved
 * @param {Map<string, Prediction>} predictions by target; empty where nothing is painted
 * @param {boolean} painted
 */
export function drawScores(place, moved, predictions, painted) {
  const largest = Math.max(...moved.flatMap(({ score, probability }) => (probability ? [] : score.map(Math.abs))), 1e-9);
  fill(place, moved.map((one) => {
    const { label, score, probability, units, asked } = one;
    const [before, after] = probability ?? score;
    const words = probability ? percent : number;
    const bar = (/** @type {number} */ value, /** @type {string} */ name) => {
      const line = h("span", { class: ["bar-fill", name, value < 0 && "negative"] });
      line.style.width = `${Math.min(1, Math.abs(value) / (probability ? 1 : largest)) * 100}%`;
      return line;
    };
    return h("li", { class: asked ? "asked" : "", "data-label": label, "data-before": score[0], "data-after": score[1],
      "data-probability-before": probability?.[0], "data-probability-after": probability?.[1] },
    h("span", { class: "moved-label" }, label),
    h("span", { class: "moved-numbers" }, words(before), painted && [" \u2192 ", h("b", {}, words(after))]),
    h("span", { class: "moved-bars", "aria-hidden": "true" }, bar(before, "was"), painted && bar(after, "is")),
    h("span", { class: "moved-detail" },
      probability && h("span", {}, `${units} ${number(score[0])}`, painted && ` \u2192 ${number(score[1])}`),
      painted && h("span", {}, `change ${signed(measured(one, predictions.get(keyOf(one))))}`),
      painted && said(predictions.get(keyOf(one)))));
  }));
}

/**
 * @param {Moved} moved
 * @param {Prediction | undefined} prediction
 * @returns {number} the change, in what the map's values are
 */
export function measured({ score, probability }, prediction) {
  const [before, after] = (prediction?.probability && probability) || score;
  return after - before;
}

/** @param {Prediction | undefined} prediction */
function said(prediction) {
  if (!prediction) return null;
  const { kind, total, mean } = prediction;
  if (kind === "share") return h("span", { "data-said": total }, `${percent(total)} of the map is painted over`);
  if (kind === "sum") return h("span", { "data-said": -total }, `the map says ${signed(-total)}`);
  return h("span", { "data-said": -total, "data-mean": -mean },
    `the map says ${signed(-mean)} for one window, ${signed(-total)} if windows added up`);
}

/**
 * @param {Prediction} prediction of one of the maps
 * @param {{units: string, baseline: string | null, painted: Set<string>, share: number}} facts the map's units and
 *   fill, the fills that were painted with, and the painted share of the picture
 * @returns {string[]} how the map's numbers are to be taken
 */
export function explained({ kind, window, unknown }, { units, baseline, painted, share }) {
  const said = [];
  if (kind === "windows") {
    said.push(`A value of this map is how far the score falls (${units}) when one window of ${window[0]} \u00d7 ${window[1]} pixels is ` +
      "covered, averaged over the windows that cover the pixel. For one window: the map\u2019s mean over what you painted. If windows " +
      "added up: its sum there, divided by a window\u2019s pixels. They need not, where evidence stands in two places or only counts together.");
  } else if (kind === "sum") {
    said.push(`A value of this map is a ${units}. The map says: its sum over what you painted, turned around.`);
  } else {
    said.push(`The values of this map (${units}) are no changes of the score, so it predicts no number; compare its share ` +
      `with that of the picture: you painted ${percent(share)} of the pixels.`);
  }
  const others = [...painted].filter((fill) => fill !== baseline);
  if (kind !== "share" && baseline && others.length) {
    said.push(`The map was made with ${baseline}; you painted with ${others.join(", ")}.`);
  }
  if (unknown > 0) said.push(`The map knows nothing of ${percent(unknown)} of what you painted.`);
  return said;
}
