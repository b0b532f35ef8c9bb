/** Small pictures out of many, each of which can be chosen: the whole picture large, its words, and a way to explain it. */

import { asApiError, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { plural } from "../format.js";
import { problem } from "../parts/problem.js";

/** @typedef {import("./atlas.js").Atlas} Atlas */
/** @typedef {[number, number, number, number]} Box left, top, width and height, as shares of the picture */
/** @typedef {{number: number, caption: string, name: string, box?: Box | null}} Tile */
/** @typedef {{atlas: Atlas, wholes?: Atlas | null, aspect?: number}} Sheets aspect: width by height of whole pictures */

const MOST_EXPLAINED = 12;

/**
 * @param {Tile[]} tiles
 * @param {Sheets} sheets
 * @param {{whole?: boolean, choose?: (tile: Tile) => void}} how whole: show whole pictures, the part marked in each
 * @returns {HTMLElement} a list
 */
export function tileList(tiles, sheets, { whole = false, choose } = {}) {
  const list = h("ul", { class: "mini-tiles" }, tiles.map((tile) => {
    const words = [tilePicture(tile, sheets, whole), h("span", { class: "mini-caption" }, tile.caption)];
    return h("li", {}, choose && tile.name
      ? h("button", { type: "button", class: "mini-tile", title: tile.name, "aria-label": `${tile.name}, ${tile.caption}`, onclick: () => choose(tile) }, words)
      : h("span", { class: "mini-tile" }, words));
  }));
  list.style.setProperty("--tile", `${(whole && sheets.wholes ? sheets.wholes : sheets.atlas).side}px`);
  return list;
}

/**
 * @param {Tile} tile
 * @param {Sheets} sheets
 * @param {boolean} whole
 */
function tilePicture({ number, box }, { atlas, wholes, aspect = 1 }, whole) {
  return h("span", { class: "mini-picture" }, (whole && wholes ? wholes : atlas).tile(number), whole && wholes && box && mark(box, aspect));
}

/**
 * Marks a part of a whole picture, which lies in the middle of its square tile.
 *
 * @param {Box} box
 * @param {number} aspect
 */
function mark([left, top, width, height], aspect) {
  const [wide, high] = [Math.min(1, aspect), Math.min(1, 1 / aspect)];
  const frame = h("span", { class: "mini-mark" });
  frame.style.left = `${100 * ((1 - wide) / 2 + left * wide)}%`;
  frame.style.top = `${100 * ((1 - high) / 2 + top * high)}%`;
  frame.style.width = `${100 * width * wide}%`;
  frame.style.height = `${100 * height * high}%`;
  return frame;
}

/**
 * Shows a tile large, in a dialog that Escape closes.
 *
 * @param {Tile} tile
 * @param {Sheets} sheets
 * @param {...(Node | null)} more what stands below it
 */
export function openTile(tile, sheets, ...more) {
  const dialog = h("dialog", { class: "dialog tile-dialog", "aria-label": tile.name, onclose: () => dialog.remove() },
    h("div", { class: "tile-pictures" }, tilePicture(tile, sheets, false), sheets.wholes && tile.box && tilePicture(tile, sheets, true)),
    h("p", {}, h("b", {}, tile.name)), h("p", { class: "muted" }, tile.caption), ...more,
    h("form", { method: "dialog", class: "buttons" }, h("button", {}, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Takes pictures of an album in, and goes to the workbench with them.
 *
 * @param {string} model
 * @param {string} album
 * @param {string[]} names
 */
async function explain(model, album, names) {
  const { pictures } = await post("/albums/pictures", { album, names });
  const taken = pictures.filter((/** @type {any} */ one) => one.digest);
  if (!taken.length) throw asApiError(pictures[0].error);
  const query = new URLSearchParams({ model });
  for (const { digest } of taken) query.append("picture", digest);
  location.assign(`/explain?${query}`);
}

/**
 * A button that explains pictures of an album with the model that is looked at.
 *
 * @param {{model: string, album: string, names: string[], words?: string}} what
 * @returns {HTMLElement}
 */
export function explainButton({ model, album, names, words }) {
  const some = names.slice(0, MOST_EXPLAINED);
  const told = h("span", { role: "alert" });
  const button = h("button", {
    type: "button", onclick: async () => {
      button.disabled = true;
      fill(told);
      announce("Opening the workbench");
      try {
        await explain(model, album, some);
      } catch (error) {
        fill(told, problem(error));
      } finally {
        button.disabled = false;
      }
    },
  }, icon("right"), words ?? (some.length === 1 ? "Explain this picture" : `Explain ${names.length > some.length ? `the first ${some.length}` : plural(some.length, "picture")}`));
  return h("span", { class: "explain-them" }, button, told);
}
