/** What the values of a map mean, and the view "what was left of the score". */

import { loadArray } from "../arrays.js";
import { percent } from "../format.js";
import { display } from "./display.js";
import { SMOOTH, inPicture, smoothed } from "./extraction.js";

/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */

/**
 * @param {ArrayLike<number>} values score - occluded score
 * @param {number} score
 * @returns {Float32Array} the occluded score: what was left
 */
export function keptValues(values, score) {
  return Float32Array.from(values, (value) => score - value);
}

/**
 * @param {HeatmapWire[]} panels
 * @returns {Promise<[number, number]>} limits that all panels share: from zero for probabilities, else the range
 */
export async function keptLimits(panels) {
  let low = Infinity;
  let high = -Infinity;
  for (const panel of panels) {
    const { values } = await loadArray(panel.values);
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, panel.score - value);
      high = Math.max(high, panel.score - value);
    }
  }
  if (!Number.isFinite(low)) return [0, 1];
  return panels[0].units.endsWith("probability") ? [0, Math.max(high, 1e-6)] : [low, high];
}

/** @type {WeakMap<object, Float64Array>} */
const smooth = new WeakMap();

/**
 * The numbers of a map as they are looked at: smoothed, or their size, where that was chosen. The box is found in them.
 *
 * @param {import("../arrays.js").NumericArray} array
 * @returns {ArrayLike<number>}
 */
export function viewed(array) {
  let { values } = /** @type {{values: ArrayLike<number>}} */ (array);
  if (display.smooth) {
    const known = smooth.get(array) ?? smoothed(array.values, array.shape, SMOOTH);
    smooth.set(array, known);
    values = known;
  }
  return display.size ? Float64Array.from(values, Math.abs) : values;
}

/**
 * @param {HeatmapWire[]} panels
 * @returns {Promise<[number, number]>} limits that all panels share, as they are looked at
 */
export async function viewedLimits(panels) {
  let [low, most] = panels[0].limits;
  if (display.smooth) {
    most = 0;
    for (const panel of panels) {
      for (const value of viewed(await loadArray(panel.values))) {
        if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
      }
    }
    most ||= 1;
    low = low < 0 ? -most : 0;
  }
  return [display.size ? 0 : low, most];
}

/** @param {[number, number]} limits */
export function largest([low, high]) {
  return Math.max(Math.abs(low), Math.abs(high));
}

/**
 * @param {HeatmapWire} panel
 * @param {boolean} kept
 * @returns {{units: string, low: string, high: string}} the words at the color bar
 */
export function words(panel, kept) {
  if (kept) {
    const what = panel.units.replace("change in ", "");
    return { units: `${what} kept`, low: "hidden here, the class goes", high: "hidden here, the class stays" };
  }
  if (panel.sign === "signed" && display.size) {
    return { units: `size of the ${panel.units}`, low: "counts little", high: "counts much, for or against" };
  }
  if (panel.sign === "signed") {
    // What is explained may be a channel, whose score is an activation, instead of a class.
    const what = panel.units.includes("activation") ? "channel" : "class";
    return { units: panel.units, low: `speaks against the ${what}`, high: `the ${what} needs this` };
  }
  return { units: panel.units, low: "counts little", high: "counts much" };
}

/**
 * @param {HeatmapWire} panel
 * @returns {string} what the "kept" view is called for this map
 */
export function keptName(panel) {
  const what = panel.units.replace("change in ", "");
  return `${what[0].toUpperCase()}${what.slice(1)} kept`;
}

/**
 * @param {import("./extraction.js").Extraction} found
 * @param {HeatmapWire} panel
 * @param {import("../types.js").Picture | null} known
 * @returns {{box: import("./extraction.js").Box | null, words: string}} where the box lies in the picture
 */
export function boxInWords(found, panel, known) {
  if (!found.box) return { box: null, words: `No box. ${found.reason}` };
  const [rows, columns] = panel.values.shape;
  const picture = known ?? { width: columns, height: rows };
  const frame = panel.frame ?? { top: 0, left: 0, height: picture.height, width: picture.width };
  const box = inPicture(found.box, panel.values.shape, frame, picture);
  if (!box) return { box, words: "No box. It lies outside of the picture, in its padding." };
  const [left, top, width, height] = box;
  const share = percent(found.count / (rows * columns));
  const place = `x ${left}, y ${top}, ${width} \u00d7 ${height} pixels of the picture`;
  return { box, words: `Box: ${place}; the part within covers ${share} of the map.` };
}
