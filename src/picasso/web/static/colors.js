/** Colors a map exactly as the server does: 256 colors, linear between two limits; NaN stays transparent. */

import { get } from "./api.js";

/**
 * @typedef {"signed" | "unsigned"} Sign
 * @typedef {[number, number]} Limits
 * @typedef {number[][]} ColorMap 256 colors (r, g, b)
 */

/** @type {Promise<Record<Sign, ColorMap>> | null} */
let maps = null;

/** @returns {Promise<Record<Sign, ColorMap>>} */
export function colorMaps() {
  maps ??= get("/color-maps").catch((error) => {
    maps = null;
    throw error;
  });
  return maps;
}

/**
 * @typedef {object} Colored
 * @property {HTMLCanvasElement} colors one pixel for each value; transparent where nothing is known
 * @property {HTMLCanvasElement | null} unknown opaque where nothing is known; null where all is
 */

/**
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {number} height
 * @param {ColorMap} map
 * @param {Limits} limits
 * @returns {Colored}
 */
export function colorize(values, width, height, map, [low, high]) {
  const palette = packed(map);
  const factor = 255 / (high - low || 1);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  let holes = 0;
  for (let i = 0; i < pixels.length; i += 1) {
    const value = values[i];
    if (Number.isFinite(value)) {
      const place = Math.round((value - low) * factor);
      pixels[i] = palette[place < 0 ? 0 : place > 255 ? 255 : place];
    } else holes += 1;
  }
  return { colors: toCanvas(image), unknown: holes ? toCanvas(mask(values, width, height)) : null };
}

/** From dark to bright: what one of three numbers at a place does to its color.
 *
 * @type {ColorMap}
 */
export const BRIGHTNESS = Array.from({ length: 256 }, (_, i) => [i, i, i]);

/**
 * Shows three numbers at each place as red, green and blue: dark at the low limit, bright at the high one.
 *
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {number} height
 * @param {Limits} limits
 * @returns {Colored}
 */
export function inColors(values, width, height, [low, high]) {
  const factor = 255 / (high - low || 1);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let color = 0; color < 3; color += 1) image.data[4 * i + color] = Math.round((values[3 * i + color] - low) * factor);
    image.data[4 * i + 3] = 255;
  }
  return { colors: toCanvas(image), unknown: null };
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {number} height
 */
function mask(values, width, height) {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i += 1) if (!Number.isFinite(values[i])) pixels[i] = 0xff000000;
  return image;
}

/** @type {WeakMap<ColorMap, Uint32Array>} */
const palettes = new WeakMap();

/** @param {ColorMap} map */
function packed(map) {
  let palette = palettes.get(map);
  if (!palette) {
    palette = new Uint32Array(256);
    const bytes = new Uint8Array(palette.buffer);
    map.forEach(([r, g, b], i) => bytes.set([r, g, b, 255], i * 4));
    palettes.set(map, palette);
  }
  return palette;
}

/** @param {ImageData} image */
function toCanvas(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/** @type {WeakMap<HTMLCanvasElement, HTMLCanvasElement>} */
const grays = new WeakMap();

/**
 * Turns a picture gray, so that every color belongs to the map.
 *
 * @param {HTMLCanvasElement} source
 * @returns {HTMLCanvasElement}
 */
export function grayed(source) {
  const known = grays.get(source);
  if (known) return known;
  const context = /** @type {CanvasRenderingContext2D} */ (source.getContext("2d"));
  const image = context.getImageData(0, 0, source.width, source.height);
  const data = image.data;
  for (let i = 0; i < data.length; i += 4) {
    const gray = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    data[i] = data[i + 1] = data[i + 2] = gray;
  }
  const result = toCanvas(image);
  grays.set(source, result);
  return result;
}
