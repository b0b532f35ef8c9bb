/** From a map to what it points at: the same numbers as picasso.core.maps.extraction. */

/** The Gaussian of the "Smoothed" view: its standard deviation as a share of the map's shorter side. */
export const SMOOTH = 0.02;

/**
 * @typedef {[number, number, number, number]} Box left, top, width, height in pixels
 * @typedef {object} Extraction
 * @property {Uint8Array} mask 1 where a pixel counts
 * @property {Box | null} box in pixels of the map
 * @property {number} count how many pixels count
 * @property {string} reason why none does, or ""
 */

/**
 * Lays a Gaussian over a map; what is unknown stays so, and it is divided by its sum over what is known.
 *
 * @param {ArrayLike<number>} values
 * @param {number[]} shape rows, columns
 * @param {number} share
 * @returns {Float64Array}
 */
export function smoothed(values, [rows, columns], share) {
  const sigma = share * Math.min(rows, columns);
  const reach = Math.ceil(3 * sigma);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const known = Float64Array.from(values, (value) => (Number.isFinite(value) ? 1 : 0));
  const total = spread(Float64Array.from(values, (value) => (Number.isFinite(value) ? value : 0)), rows, columns, kernel);
  const weight = spread(known, rows, columns, kernel);
  return total.map((sum, i) => (known[i] ? sum / weight[i] : NaN));
}

/**
 * @param {Float64Array} values
 * @param {number} rows
 * @param {number} columns
 * @param {Float64Array} kernel
 */
function spread(values, rows, columns, kernel) {
  const reach = kernel.length >> 1;
  const down = new Float64Array(values.length);
  const both = new Float64Array(values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let from = Math.max(0, row - reach); from <= Math.min(rows - 1, row + reach); from += 1) {
      const weight = kernel[from - row + reach];
      for (let x = 0; x < columns; x += 1) down[row * columns + x] += weight * values[from * columns + x];
    }
  }
  for (let row = 0; row < rows; row += 1) {
    for (let x = 0; x < columns; x += 1) {
      let sum = 0;
      for (let from = Math.max(0, x - reach); from <= Math.min(columns - 1, x + reach); from += 1) {
        sum += kernel[from - x + reach] * down[row * columns + from];
      }
      both[row * columns + x] = sum;
    }
  }
  return both;
}

/**
 * Finds the largest connected part of what counts.
 *
 * @param {ArrayLike<number>} values
 * @param {number[]} shape rows, columns
 * @param {number} share of the maximum from which on a pixel counts
 * @returns {Extraction} of what is positive
 */
export function extract(values, [rows, columns], share) {
  const mask = new Uint8Array(rows * columns);
  let most = -Infinity;
  for (let i = 0; i < mask.length; i += 1) if (values[i] > most && values[i] < Infinity) most = values[i];
  if (!(most > 0)) return { mask, box: null, count: 0, reason: nothing(values) };
  const least = share * most;
  const seen = Uint8Array.from(mask, (_, i) => (values[i] >= least && values[i] > 0 && values[i] < Infinity ? 0 : 1));
  /** @type {{pixels: number[], peak: number}} */
  let best = { pixels: [], peak: 0 };
  for (let i = 0; i < seen.length; i += 1) {
    if (seen[i]) continue;
    const part = flood(seen, rows, columns, i);
    const peak = part.reduce((high, pixel) => Math.max(high, values[pixel]), 0);
    const size = part.length - best.pixels.length;
    if (size > 0 || (size === 0 && peak > best.peak)) best = { pixels: part, peak };
  }
  const xs = best.pixels.map((pixel) => pixel % columns);
  const [left, right] = ends(xs);
  const [top, bottom] = ends(best.pixels.map((pixel) => Math.floor(pixel / columns)));
  for (const pixel of best.pixels) mask[pixel] = 1;
  return { mask, box: [left, top, right - left + 1, bottom - top + 1], count: best.pixels.length, reason: "" };
}

/** @param {number[]} numbers */
function ends(numbers) {
  return numbers.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
}

/**
 * @param {Uint8Array} seen 1 where nothing is to be found any more
 * @param {number} rows
 * @param {number} columns
 * @param {number} start
 * @returns {number[]} the pixels that are connected with it, also at their corners
 */
function flood(seen, rows, columns, start) {
  const part = [start];
  seen[start] = 1;
  for (let next = 0; next < part.length; next += 1) {
    const row = Math.floor(part[next] / columns);
    const x = part[next] % columns;
    for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y += 1) {
      for (let near = Math.max(0, x - 1); near <= Math.min(columns - 1, x + 1); near += 1) {
        const pixel = y * columns + near;
        if (seen[pixel]) continue;
        seen[pixel] = 1;
        part.push(pixel);
      }
    }
  }
  return part;
}

/** @param {ArrayLike<number>} values */
function nothing(values) {
  const known = Array.from(values).filter(Number.isFinite);
  if (!known.length) return "The map holds no known value.";
  return known.some(Boolean) ? "No value is positive: nothing speaks for the target." : "The map is all zero.";
}

/**
 * @param {Box} box in pixels of the map
 * @param {number[]} shape rows, columns of the map
 * @param {import("./original.js").Frame} frame which part of the picture the map shows
 * @param {{width: number, height: number}} picture
 * @returns {Box | null} in pixels of the picture; null where all of it lies in the padding
 */
export function inPicture([x, y, wide, tall], [rows, columns], frame, picture) {
  const [left, right] = within(frame.left, frame.width / columns, x, wide, picture.width);
  const [top, bottom] = within(frame.top, frame.height / rows, y, tall, picture.height);
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : null;
}

/**
 * @param {number} start
 * @param {number} scale
 * @param {number} first
 * @param {number} length
 * @param {number} side
 */
function within(start, scale, first, length, side) {
  const whole = (/** @type {number} */ place) => Math.round((start + place * scale) * 1e6) / 1e6;
  const inside = (/** @type {number} */ place) => Math.min(Math.max(place, 0), side);
  return [inside(Math.floor(whole(first))), inside(Math.ceil(whole(first + length)))];
}

/**
 * @param {Uint8Array} mask
 * @param {number[]} shape rows, columns
 * @returns {string} the edges between what counts and what does not, as the data of an SVG path in pixels of the map
 */
export function outline(mask, [rows, columns]) {
  const at = (/** @type {number} */ y, /** @type {number} */ x) =>
    y >= 0 && x >= 0 && y < rows && x < columns ? mask[y * columns + x] : 0;
  const lines = [];
  for (let y = 0; y <= rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const from = x;
      while (x < columns && at(y, x) !== at(y - 1, x)) x += 1;
      if (x > from) lines.push(`M${from} ${y}H${x}`);
    }
  }
  for (let x = 0; x <= columns; x += 1) {
    for (let y = 0; y < rows; y += 1) {
      const from = y;
      while (y < rows && at(y, x) !== at(y, x - 1)) y += 1;
      if (y > from) lines.push(`M${x} ${from}V${y}`);
    }
  }
  return lines.join("");
}
