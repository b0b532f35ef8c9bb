/** Counts by two classes; a cell opens the pictures that it counts. */

import { asApiError, post } from "../api.js";
import { loadArray } from "../arrays.js";
import { announce, fill, freshId, h } from "../dom.js";
import { number, percent, plural } from "../format.js";
import { problem } from "../parts/problem.js";
import { Atlas } from "./atlas.js";
import { each } from "./common.js";
import { explainButton, openTile, tileList } from "./tiles.js";

export const kind = "matrix";
const AT_ONCE = 48;
const ANNOTATOR = "picasso-annotator";

/** @typedef {import("../types.js").MatrixWire} MatrixWire */

/**
 * @param {MatrixWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  return each(panels, kind, (panel) => matrix(panel, context));
}

/**
 * @param {MatrixWire} panel
 * @param {import("../types.js").PanelContext} context
 */
function matrix(panel, context) {
  const table = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": panel.title });
  const opened = h("section", { class: "matrix-opened", tabindex: "-1", "aria-live": "polite" });
  Promise.all([loadArray(panel.places), loadArray(panel.values), Atlas.load(panel.atlas)]).then(([places, values, atlas]) => {
    const cells = byCell(panel, places.values, values.values);
    fill(table, drawn(panel, cells, (row, column, button) => {
      for (const one of table.querySelectorAll("[aria-pressed=true]")) one.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", "true");
      open(opened, panel, context, cells[row][column], { row, column, atlas, values: values.values });
    }));
    table.dataset.ready = "yes";
  }, context.fail);
  return h("div", { class: "matrix" }, table, opened);
}

/**
 * @param {MatrixWire} panel
 * @param {ArrayLike<number>} places
 * @param {ArrayLike<number>} values
 * @returns {number[][][]} the pictures of each cell, those of the largest value first
 */
function byCell(panel, places, values) {
  /** @type {number[][][]} */
  const cells = panel.rows.map(() => panel.columns.map(() => []));
  panel.names.forEach((_, i) => cells[places[2 * i]][places[2 * i + 1]].push(i));
  for (const row of cells) for (const cell of row) cell.sort((a, b) => values[b] - values[a]);
  return cells;
}

/**
 * @param {MatrixWire} panel
 * @param {number[][][]} cells
 * @param {(row: number, column: number, button: HTMLElement) => void} choose
 */
function drawn(panel, cells, choose) {
  const { rows, columns, row_title, column_title } = panel;
  const square = rows.length === columns.length && rows.every((word, i) => word === columns[i]);
  return h("table", { class: "matrix-table" },
    h("thead", {},
      h("tr", {}, h("td", {}), h("th", { scope: "colgroup", colspan: columns.length, class: "matrix-axis" }, `${column_title} \u2192`)),
      h("tr", {}, h("th", { class: "matrix-axis", scope: "col" }, `${row_title} \u2193`), columns.map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, rows.map((word, row) => {
      const all = cells[row].reduce((sum, cell) => sum + cell.length, 0);
      return h("tr", {}, h("th", { scope: "row" }, word), columns.map((other, column) => {
        const count = cells[row][column].length;
        const share = all ? count / all : 0;
        const right = square && row === column;
        const cell = h("td", { class: ["matrix-cell", right && "right"] });
        cell.style.setProperty("--share", share.toFixed(3));
        if (!count) {
          cell.append(h("span", { class: "matrix-none" }, "0"));
          return cell;
        }
        const said = `${row_title} ${word}, ${column_title} ${other}: ${plural(count, "picture")}, ${percent(share)} of the row`;
        const button = h("button", { type: "button", title: said, "aria-label": said, "aria-pressed": "false", onclick: () => choose(row, column, button) },
          count.toLocaleString("en-US"));
        cell.append(button);
        return cell;
      }));
    })));
}

/**
 * @param {HTMLElement} place
 * @param {MatrixWire} panel
 * @param {import("../types.js").PanelContext} context
 * @param {number[]} pictures
 * @param {{row: number, column: number, atlas: Atlas, values: ArrayLike<number>}} cell
 */
function open(place, panel, context, pictures, { row, column, atlas, values }) {
  const { rows, columns, row_title, column_title, names, album, units, labels } = panel;
  let shown = Math.min(AT_ONCE, pictures.length);
  const list = h("div", {});
  const more = h("button", { type: "button", onclick: () => draw(shown + AT_ONCE) });
  const share = (/** @type {number} */ value) => (/^probability/.test(units) ? percent(value) : number(value));
  function draw(/** @type {number} */ count) {
    shown = Math.min(count, pictures.length);
    const tiles = pictures.slice(0, shown).map((i) => ({ number: i, caption: share(values[i]), name: names[i] }));
    fill(list, tileList(tiles, { atlas }, {
      choose: (tile) => openTile(tile, { atlas }, album ? explainButton({ model: context.model, album, names: [tile.name] }) : null,
        album && labels.length ? opinion(album, tile.name, labels) : null),
    }));
    more.hidden = shown >= pictures.length;
    more.textContent = `Show ${Math.min(AT_ONCE, pictures.length - shown)} more of ${pictures.length - shown}`;
  }
  draw(shown);
  fill(place,
    h("h4", {}, `${row_title} ${rows[row]}, ${column_title} ${columns[column]}: ${plural(pictures.length, "picture")}`),
    h("p", { class: "muted small" }, `Below each: the ${units}.`),
    album && explainButton({ model: context.model, album, names: pictures.map((i) => names[i]) }), list, more);
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "nearest" });
}

/** @returns {string} the name under which the visitor labeled last */
function remembered() {
  try {
    return localStorage.getItem(ANNOTATOR) ?? "";
  } catch {
    return ""; // Storage is blocked: the name is asked for.
  }
}

/** @param {string} name */
function remember(name) {
  try {
    localStorage.setItem(ANNOTATOR, name);
  } catch {
    // Storage is blocked: the name is asked for each time.
  }
}

/**
 * What the visitor says that a picture shows.
 *
 * @param {string} album
 * @param {string} picture
 * @param {string[]} labels
 */
function opinion(album, picture, labels) {
  const [who, what] = [freshId("annotator"), freshId("opinion")];
  const told = h("p", { class: "small", role: "status" });
  const name = h("input", { type: "text", id: who, maxlength: 200, autocomplete: "name", value: remembered() });
  const label = h("select", { id: what }, h("option", { value: "" }, "nothing"), labels.map((one) => h("option", {}, one)));
  const keep = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      remember(name.value.trim());
      await post("/albums/labels", { album, picture, annotator: name.value.trim(), label: label.value });
      told.textContent = `Kept. Run the view again to count it, or set Against to \u201c${name.value.trim()}\u201d.`;
      announce("Kept");
    } catch (error) {
      fill(told, problem(asApiError(error)));
    }
  };
  return h("form", { class: "opinion", onsubmit: keep },
    h("label", { for: what }, "You say it shows"), label, h("label", { for: who }, "Your name"), name,
    h("button", { disabled: false }, "Keep"), told);
}
