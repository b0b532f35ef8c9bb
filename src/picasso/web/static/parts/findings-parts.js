/** The lower parts of an audit's page: by class, by picture, clues, what was not tested, every choice. */

import { h, icon } from "../dom.js";
import { number, percent, plural, prose, wholePercent } from "../format.js";
import { explainHref } from "./before-after.js";
import { points } from "./points.js";

const LISTED = 24;

/** @param {any} document */
export function classTable({ classes, counts, confusion, effects, verdict }) {
  const named = verdict.named && effects.find((/** @type {any} */ one) => one.what.name === verdict.named.name);
  const heads = ["Class", "Pictures", "Right as they are", "Else answered", ...(named ? [`Falls with ${named.what.phrase}`, "Others become it"] : [])];
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table by class" }, h("table", { class: "data class-table" },
    h("thead", {}, h("tr", {}, heads.map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, classes.map((/** @type {string} */ name, /** @type {number} */ i) => {
      const row = confusion[i];
      const wrong = row.map((/** @type {number} */ count, /** @type {number} */ j) => [count, j]).filter(([count, j]) => j !== i && count > 0)
        .sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => b[0] - a[0]).slice(0, 3);
      const fall = named?.by_class[i];
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, counts[i].toLocaleString("en-US")),
        h("td", {}, counts[i] ? percent(row[i] / counts[i]) : "\u2013"),
        h("td", {}, wrong.length ? wrong.map((/** @type {number[]} */ [count, j]) => `${classes[j]} ${count}`).join(", ") : "\u2013"),
        named && h("td", {}, fall === null || fall === undefined ? "\u2013" : points(fall)),
        named && h("td", {}, wholePercent(named.toward[i])));
    }))));
}

/**
 * @param {any} audit
 * @returns {HTMLElement | null} null where no property is named
 */
export function picturesShown({ document: { by_picture: found, classes, verdict }, shown, model, exports }) {
  if (!found.length) return null;
  const flips = found.filter((/** @type {any} */ one) => one.flips).length;
  return h("div", {},
    h("p", { class: "audit-words" }, `${plural(flips, "right answer")} of ${found.length} turn${flips === 1 ? "s" : ""} wrong with ${verdict.named?.phrase ?? "it"}. `,
      h("a", { href: exports.csv, download: true }, "The pictures to fix"), " as a list; those that move most:"),
    h("ul", { class: "tiles" }, found.slice(0, LISTED).map((/** @type {any} */ one) => {
      const digest = shown[one.name];
      const body = [
        digest && h("span", { class: "tile-picture" }, h("img", { src: `/api/v1/pictures/${digest}/thumbnail`, alt: "", width: 200, height: 200, loading: "lazy" })),
        h("span", { class: "tile-name" }, one.name),
        h("span", {}, one.answer === one.label ? classes[one.label] : `${classes[one.label]}, answered ${classes[one.answer]}`),
        h("span", { class: "muted" }, one.moved === null ? "could not be changed" : `moves ${number(one.moved)} margins${one.flips ? ", turns wrong" : ""}`),
      ];
      return h("li", { class: "tile" }, digest ? h("a", { class: "tile-link", href: explainHref(model, digest) }, body) : h("div", { class: "tile-link" }, body));
    })));
}

/**
 * @param {any[]} found
 * @returns {HTMLElement} what tells the classes apart; the rest is folded
 */
export function clues(found) {
  const telling = found.filter((clue) => clue.telling);
  const others = found.filter((clue) => !clue.telling);
  return h("div", {},
    telling.length ? h("ul", { class: "clue-list" }, telling.map(clueRow)) : h("p", {}, "None of it tells the classes apart."),
    others.length > 0 && h("details", { class: "plan-tests" }, h("summary", {}, `${plural(others.length, "fact")} that ${others.length === 1 ? "does" : "do"} not tell them apart`),
      h("ul", { class: "clue-list" }, others.map(clueRow))));
}

/** @param {any} clue */
function clueRow(clue) {
  const bar = h("span", { class: "bar-fill" });
  bar.style.width = `${Math.max(0, (clue.auc - 0.5) * 200)}%`;
  return h("li", { class: clue.telling && "telling" },
    h("span", { class: "clue-title" }, clue.telling && icon("warn"), clue.title),
    h("span", { class: "clue-bar", "aria-hidden": "true" }, bar),
    h("span", { class: "clue-number" }, h("b", {}, clue.auc.toFixed(2)), h("span", { class: "muted" }, ` ${clue.low.toFixed(2)} \u2026 ${clue.high.toFixed(2)}`)),
    h("p", {}, prose(clue.sentence)));
}

/**
 * Where the maps of methods that pass the randomization test put the evidence.
 *
 * @param {any} found null where it was not measured
 * @returns {HTMLElement | null}
 */
export function evidence(found) {
  if (!found?.methods.length) return null;
  const share = (/** @type {any} */ one) => h("td", {}, wholePercent(one.value), h("span", { class: "muted" }, ` ${wholePercent(one.low)} \u2026 ${wholePercent(one.high)}`));
  const row = (/** @type {any} */ name, /** @type {any[]} */ shares) =>
    h("tr", {}, h("th", { scope: "row" }, name), shares.length ? shares.map(share) : h("td", { colspan: found.parts.length }, "no evidence"));
  const table = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Where the evidence is" }, h("table", { class: "data class-table" },
    h("thead", {}, h("tr", {}, ["Maps of", ...found.parts].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {},
      found.methods.map((/** @type {any} */ method) => row(method.title, method.shares)),
      found.classes.map((/** @type {string} */ name, /** @type {number} */ i) => row(`all, for ${name}`, found.by_class[i] ?? [])),
      h("tr", {}, h("th", { scope: "row" }, "share of the picture"), found.areas.map((/** @type {number} */ area) => h("td", {}, wholePercent(area)))))));
  return h("div", {}, found.disagreement && h("p", { class: "audit-words" }, icon("warn"), " ", prose(found.disagreement)), table);
}

/**
 * Groups of pictures whose maps point at one place: proposals, each with what a transplant has shown of it.
 *
 * @param {any[]} found
 */
export function clusters(found) {
  return h("ul", { class: "cluster-list" }, found.map((cluster) => h("li", {}, meanMap(cluster),
    h("p", {}, icon(cluster.confirmed ? "check" : "question"), " ", prose(cluster.sentence)))));
}

/** @param {any} cluster */
function meanMap({ mean_map: rows, box: [top, left, height, width] }) {
  const side = rows.length;
  const canvas = h("canvas", { width: side, height: rows[0].length, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const most = Math.max(...rows.flat(), 1e-12);
  rows.forEach((/** @type {number[]} */ row, /** @type {number} */ y) => row.forEach((value, x) => {
    context.fillStyle = `rgb(192 57 47 / ${Math.max(0, value / most)})`;
    context.fillRect(x, y, 1, 1);
  }));
  const frame = h("span", { class: "cluster-box" });
  Object.assign(frame.style, { top: `${top * 100}%`, left: `${left * 100}%`, height: `${height * 100}%`, width: `${width * 100}%` });
  return h("div", { class: "cluster-map" }, canvas, frame);
}

/** @param {{title: string, reason: string}[]} found */
export function untested(found) {
  return h("dl", { class: "facts" }, found.flatMap(({ title, reason }) => [h("dt", {}, title), h("dd", {}, prose(reason))]));
}

/**
 * @param {any} document
 * @param {any} audit
 */
export function recordOf({ notes, record }, { asked }) {
  /** @type {[string, any][]} */
  const rows = [
    ...Object.entries(record).flatMap(([name, value]) => flat(name, value)),
    ["Said by a person", Object.entries(asked.confirmed).map(([region, object]) => `${region}: ${object ? "the object" : "not the object"}`).join("; ")],
  ].filter(([, value]) => value !== "" && value !== null);
  return h("div", {},
    notes.length > 0 && h("ul", { class: "audit-notes" }, notes.map((/** @type {string} */ note) => h("li", {}, prose(note)))),
    h("details", { class: "record" }, h("summary", {}, "The record"),
      h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))));
}

/**
 * @param {string} name
 * @param {any} value
 * @returns {[string, string][]}
 */
function flat(name, value) {
  if (Array.isArray(value)) return [[name, value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ")]];
  if (value !== null && typeof value === "object") return Object.entries(value).flatMap(([inner, one]) => flat(`${name}: ${inner}`, one));
  return [[name, value === null ? "" : String(value)]];
}
