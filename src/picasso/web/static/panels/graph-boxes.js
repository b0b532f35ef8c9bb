/** How the boxes of a network's graph look: steps, operations that are no layers, and the heads of open blocks. */

import { compact, plural } from "../format.js";
import { HEAD, isBlock, isSmall } from "./graph-places.js";

const SPACE = "http://www.w3.org/2000/svg";
/** About the width of a letter in pixels: of a name, and of the rest. */
const BOLD = 6.7;
const PLAIN = 5.9;

/** @typedef {import("../types.js").GraphBox} GraphBox */
/** @typedef {import("./graph-places.js").Place} Place */
/** @typedef {{parameters: number, work: number}} Totals of the whole network */

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function s(tag, attributes, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SPACE, tag));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {string} text
 * @param {number} room in pixels
 * @param {number} glyph
 * @param {boolean} [end] whether the end is kept, which tells names apart
 */
function fitted(text, room, glyph, end = false) {
  const most = Math.max(4, Math.floor(room / glyph));
  if (text.length <= most) return text;
  return end ? `\u2026${text.slice(1 - most)}` : `${text.slice(0, most - 1)}\u2026`;
}

/** @param {number[]} shape */
export const sized = (shape) => shape.join(" \u00d7 ");

/**
 * @param {GraphBox} box
 * @param {Place} one
 * @param {Totals} totals
 * @returns {SVGElement}
 */
export function drawBox(box, one, totals) {
  return one.opened ? head(box, one) : isSmall(box) ? small(box, one) : step(box, one, totals);
}

/**
 * @param {GraphBox} box
 * @param {Place} one
 * @param {Totals} totals
 */
function step(box, { left, top, width, height }, totals) {
  const group = s("g", {});
  if (isBlock(box)) group.append(s("rect", { class: "behind", x: left + 3, y: top + 3, width, height, rx: 6 }));
  const shape = sized(box.shape);
  const size = box.parameters ? `${compact(box.parameters)} par.` : "";
  const count = isBlock(box) ? [plural(box.steps, "step"), size].filter(Boolean).join(", ") : size;
  const room = width - 30;
  group.append(
    s("rect", { class: "frame", x: left, y: top, width, height, rx: 6 }),
    s("rect", { class: "edge", x: left, y: top + 6, width: 4, height: height - 12 }),
    s("text", { class: "name", x: left + 12, y: top + 17 }, fitted(box.label, room - shape.length * PLAIN, BOLD, true)),
    s("text", { class: "more", x: left + width - 10, y: top + 17, "text-anchor": "end" }, shape),
    s("text", { class: "more", x: left + 12, y: top + 32 }, fitted(box.kind, room - count.length * PLAIN, PLAIN)),
    s("text", { class: "more", x: left + width - 10, y: top + 32, "text-anchor": "end" }, count));
  const bar = (/** @type {number | null} */ part, /** @type {number} */ all, /** @type {string} */ name, /** @type {number} */ y) => {
    if (part && all) {
      group.append(s("rect", { class: "track", x: left + 12, y: top + y + 1, width: width - 22, height: 0.5 }),
        s("rect", { class: name, x: left + 12, y: top + y, width: Math.max(1, (width - 22) * part / all), height: 2.5 }));
    }
  };
  bar(box.parameters, totals.parameters, "of-parameters", 38);
  bar(box.multiply_adds, totals.work, "of-work", 41.5);
  return group;
}

/**
 * @param {GraphBox} box
 * @param {Place} one
 */
function small(box, { left, top, width, height }) {
  return s("g", {}, s("rect", { class: "frame pill", x: left, y: top, width, height, rx: 13 }),
    s("text", { class: "name plain", x: left + width / 2, y: top + height / 2 + 4, "text-anchor": "middle" },
      fitted(box.label, width - 16, PLAIN)));
}

/**
 * @param {GraphBox} box
 * @param {Place} one
 */
function head(box, { left, top, width }) {
  const kind = fitted(box.kind, width / 2, PLAIN);
  return s("g", {},
    s("path", { class: "head frame", d: `M${left + 0.5} ${top + HEAD}v${9 - HEAD}a8 8 0 0 1 8 -8.500h${width - 17}a8 8 0 0 1 8 8.500v${HEAD - 9}z` }),
    s("path", { class: "fold", d: `M${left + 9} ${top + 10}l4 4l4 -4` }),
    s("text", { class: "name", x: left + 24, y: top + 16 }, fitted(box.label, width - 44 - kind.length * PLAIN, BOLD, true)),
    s("text", { class: "more", x: left + width - 10, y: top + 16, "text-anchor": "end" }, kind));
}
