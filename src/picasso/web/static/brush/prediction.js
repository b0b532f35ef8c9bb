/** What a map itself says of a painted region: numbers where its values are changes of the score, else its share. */

import { loadArray } from "../arrays.js";

/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */
/** @typedef {import("./painting.js").Painting} Painting */

/**
 * @typedef {object} Prediction
 * @property {"windows" | "sum" | "share"} kind what the numbers are
 * @property {number} total windows: the sum over the region by a window's area; sum: the sum; share: 0..1 of the mass
 * @property {number} mean of the values over the region; NaN where none is known
 * @property {number} unknown share of the region that the map does not know, 0..1
 * @property {[number, number]} window its width and height in pixels of the map; [1, 1] where there is none
 * @property {boolean} probability whether the values are changes of the probability rather than of the score
 */

/**
 * @param {HeatmapWire} panel
 * @param {Painting} painting
 * @param {any} settings those of the visualization
 * @returns {Promise<Prediction>} of the score's fall, as in the map: positive where it falls
 */
export async function predict(panel, painting, settings) {
  const { values, shape: [rows, columns] } = await loadArray(panel.values);
  const { labels, width, height } = painting;
  let [sum, mass, all, count, unknown] = [0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row += 1) {
    // A map has the input's size, but for occlusion of the picture itself.
    const y = Math.floor(((row + 0.5) * height) / rows);
    for (let column = 0; column < columns; column += 1) {
      const value = values[row * columns + column];
      const painted = labels[y * width + Math.floor(((column + 0.5) * width) / columns)] > 0;
      if (painted) count += 1;
      if (!Number.isFinite(value)) {
        if (painted) unknown += 1;
        continue;
      }
      all += Math.abs(value);
      if (!painted) continue;
      sum += value;
      mass += Math.abs(value);
    }
  }
  // "change in logit per unit of input" is a slope, and no change.
  const change = panel.units.startsWith("change in ") && !panel.units.includes(" per ");
  const window = panel.kept ? [columns, rows].map((side) => pixels(settings?.window, side)) : [1, 1];
  const kind = !change ? "share" : panel.kept && window.every(Boolean) ? "windows" : "sum";
  const total = kind === "share" ? (all ? mass / all : 0) : kind === "windows" ? sum / (window[0] * window[1]) : sum;
  return {
    kind, total, window: /** @type {[number, number]} */ (window),
    mean: count > unknown ? sum / (count - unknown) : NaN,
    unknown: count ? unknown / count : 0,
    probability: panel.units === "change in probability",
  };
}

/**
 * @param {unknown} extent "32px" or "20%"
 * @param {number} side
 * @returns {number} 0 where it is none
 */
function pixels(extent, side) {
  const [, number, unit] = /^([\d.]+)(px|%)$/.exec(String(extent)) ?? [];
  if (!unit) return 0;
  return Math.max(1, unit === "%" ? Math.round((Number(number) / 100) * side) : Number(number));
}
