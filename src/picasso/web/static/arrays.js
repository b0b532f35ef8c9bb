/** Fetches raw arrays and keeps the recent ones. */

import { ApiError } from "./api.js";

/**
 * @typedef {{url: string, dtype: string, shape: number[]}} ArrayRef
 * @typedef {Float32Array | Float64Array | Uint8Array | Uint16Array | Int32Array | Int16Array} Values
 * @typedef {{values: Values, shape: number[]}} NumericArray
 */

/** @type {Record<string, any>} */
const TYPES = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
};
const KEPT_BYTES = 192 * 2 ** 20;

/** @type {Map<string, {promise: Promise<NumericArray>, bytes: number}>} in the order of their last use */
const kept = new Map();

/**
 * @param {ArrayRef} reference
 * @returns {Promise<NumericArray>}
 */
export function loadArray(reference) {
  const known = kept.get(reference.url);
  if (known) {
    kept.delete(reference.url);
    kept.set(reference.url, known);
    return known.promise;
  }
  const Type = TYPES[reference.dtype];
  if (!Type) return Promise.reject(new ApiError(0, "page", `This page cannot read ${reference.dtype} arrays.`, ""));
  const count = reference.shape.reduce((product, side) => product * side, 1);
  const promise = fetchBytes(reference.url).then((buffer) => {
    if (buffer.byteLength !== count * Type.BYTES_PER_ELEMENT) {
      throw new ApiError(0, "page", "The numbers of this map arrived incomplete.", "Reload the page.");
    }
    return { values: new Type(buffer), shape: reference.shape };
  });
  promise.catch(() => kept.delete(reference.url));
  kept.set(reference.url, { promise, bytes: count * Type.BYTES_PER_ELEMENT });
  forget();
  return promise;
}

function forget() {
  let total = 0;
  for (const { bytes } of kept.values()) total += bytes;
  for (const [url, { bytes }] of kept) {
    if (total <= KEPT_BYTES || kept.size === 1) return;
    kept.delete(url);
    total -= bytes;
  }
}

/**
 * @param {string} url
 * @returns {Promise<ArrayBuffer>}
 */
async function fetchBytes(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new ApiError(answer.status, "not-found", "The numbers of this map are gone.", "Run it again.");
  return answer.arrayBuffer();
}

/**
 * Takes an answer apart that came in one piece: the length of its JSON (four bytes), the JSON, the numbers of `values`.
 *
 * @param {ArrayBuffer} buffer
 * @returns {{said: any, array: NumericArray}}
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const said = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const { dtype, shape } = said.values;
  return { said, array: { values: new TYPES[dtype](buffer, 4 + length), shape } };
}

/**
 * Turns a picture's array, uint8 (h, w, 3), into a canvas.
 *
 * @param {NumericArray} array
 * @returns {HTMLCanvasElement}
 */
export function pictureCanvas({ values, shape }) {
  const [height, width, channels = 1] = shape;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0, from = 0, to = 0; i < width * height; i += 1, from += channels, to += 4) {
    image.data[to] = values[from];
    image.data[to + 1] = values[from + (channels > 2 ? 1 : 0)];
    image.data[to + 2] = values[from + (channels > 2 ? 2 : 0)];
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
