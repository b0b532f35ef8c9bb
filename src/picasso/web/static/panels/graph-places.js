/**
 * Where the boxes and arcs of a network are drawn, for one state of open and closed blocks.
 *
 * The same rule as `picasso.core.diagram.placing`, which draws what is exported; a test compares the two. Rows and
 * columns come from there: here blocks only get their sizes.
 */

/** @typedef {import("../types.js").GraphBox} GraphBox */
/** @typedef {import("../types.js").GraphArc} GraphArc */
/** @typedef {{left: number, top: number, width: number, height: number, opened: boolean}} Place */
/** @typedef {[number, number]} Point */
/** @typedef {{boxes: Map<number, Place>, paths: {arc: number, points: Point[]}[], width: number, height: number}} Places */
/**
 * @typedef {{width: number, height: number, spots: Map<number, Point>, middles: number[], tops: number[],
 *   bottoms: number[]}} Inside
 */

export const WHOLE = -1;
const MIDDLE = -1;
const WIDTH = 216;
const HEIGHT = 46;
const SMALL_WIDTH = 112;
const SMALL_HEIGHT = 26;
export const HEAD = 24;
const PAD = 14;
const LANE = 2;
const BETWEEN = 18;
const CLOSE = 7;
const GAP = 26;
export const TIP = 6;

/** @param {GraphBox} box */
export function isBlock(box) {
  return box.role === "block";
}

/**
 * @param {GraphBox} box
 * @returns {boolean} whether it is an operation that is no layer
 */
export function isSmall(box) {
  return !(box.layer || isBlock(box) || box.role === "input");
}

/**
 * @param {GraphBox[]} boxes
 * @returns {Map<number, number[]>} the numbers of the boxes in each block
 */
export function within(boxes) {
  /** @type {Map<number, number[]>} */
  const found = new Map([[WHOLE, []]]);
  boxes.forEach((box, number) => {
    if (isBlock(box)) found.set(number, []);
    found.get(box.parent)?.push(number);
  });
  return found;
}

/**
 * @param {GraphBox[]} boxes
 * @param {GraphArc[]} arcs
 * @param {Set<number>} opened numbers of the blocks that are open
 * @returns {Places}
 */
export function place(boxes, arcs, opened) {
  const members = within(boxes);
  /** @type {Map<number, Set<number>>} */
  const lanes = new Map();
  for (const { block, lane } of arcs) {
    if (lane !== MIDDLE) lanes.set(block, (lanes.get(block) ?? new Set()).add(lane));
  }
  /** @type {Map<number, Inside>} */
  const insides = new Map();
  /** @type {Point[]} */
  const sizes = [];
  for (let number = boxes.length - 1; number >= WHOLE; number--) {
    if (number !== WHOLE && !(isBlock(boxes[number]) && opened.has(number))) {
      sizes[number] = isSmall(boxes[number]) ? [SMALL_WIDTH, SMALL_HEIGHT] : [WIDTH, HEIGHT];
      continue;
    }
    const inside = layInside(boxes, members.get(number) ?? [], sizes, lanes.get(number) ?? new Set());
    insides.set(number, inside);
    if (number !== WHOLE) sizes[number] = [Math.max(WIDTH, inside.width + 2 * PAD), inside.height + HEAD];
  }
  /** @type {Map<number, Place>} */
  const found = new Map();
  /** @type {Map<number, Point>} */
  const corners = new Map([[WHOLE, [PAD, PAD]]]);
  boxes.forEach((box, number) => {
    const corner = corners.get(box.parent);
    const spot = insides.get(box.parent)?.spots.get(number);
    if (!corner || !spot) return;
    const [width, height] = sizes[number];
    const inside = insides.get(number);
    const [left, top] = [corner[0] + spot[0], corner[1] + spot[1]];
    found.set(number, { left, top, width, height, opened: Boolean(inside) });
    if (inside) corners.set(number, [left + (width - inside.width) / 2, top + HEAD]);
  });
  /** @type {Places["paths"]} */
  const paths = [];
  arcs.forEach((arc, number) => {
    const corner = corners.get(arc.block);
    const inside = insides.get(arc.block);
    if (corner && inside) paths.push({ arc: number, points: points(arc, boxes, found, inside, corner) });
  });
  const whole = /** @type {Inside} */ (insides.get(WHOLE));
  return { boxes: found, paths, width: whole.width + 2 * PAD, height: whole.height + 2 * PAD };
}

/**
 * @param {GraphBox[]} boxes
 * @param {number[]} members
 * @param {Point[]} sizes
 * @param {Set<number>} lanes
 * @returns {Inside}
 */
function layInside(boxes, members, sizes, lanes) {
  /** @type {number[]} */
  const widths = Array(1 + Math.max(-1, ...members.map((one) => boxes[one].column), ...lanes)).fill(LANE);
  /** @type {Set<number>} */
  const boxed = new Set();
  let alone = 0;
  let last = 0;
  for (const one of members) {
    const { column, row } = boxes[one];
    last = Math.max(last, row);
    if (column === MIDDLE) {
      alone = Math.max(alone, sizes[one][0]);
      continue;
    }
    boxed.add(column);
    widths[column] = Math.max(widths[column], sizes[one][0]);
  }
  let right = 0;
  const lefts = widths.map((width, column) => {
    if (column) right += boxed.has(column - 1) || boxed.has(column) ? BETWEEN : CLOSE;
    right += width;
    return right - width;
  });
  const [first, final] = [Math.min(...boxed), Math.max(...boxed)];
  const middle = boxed.size ? (lefts[first] + lefts[final] + widths[final]) / 2 : right / 2;
  const half = Math.max(middle, right - middle, alone / 2);
  const shift = half - middle;
  /** @type {number[]} */
  const heights = Array(last + 2).fill(0);
  for (const one of members) heights[boxes[one].row] = Math.max(heights[boxes[one].row], sizes[one][1]);
  let top = 0;
  const tops = heights.map((height, row) => {
    if (row) top += heights[row - 1] + GAP;
    return top;
  });
  const middles = lefts.map((left, column) => left + widths[column] / 2 + shift);
  const spots = new Map(members.map((one) => {
    const { column, row } = boxes[one];
    return [one, /** @type {Point} */ ([(column === MIDDLE ? half : middles[column]) - sizes[one][0] / 2, tops[row]])];
  }));
  return {
    width: 2 * half, height: top, spots, middles, tops, bottoms: tops.map((one, row) => one + heights[row]),
  };
}

/**
 * @param {GraphArc} arc
 * @param {GraphBox[]} boxes
 * @param {Map<number, Place>} found
 * @param {Inside} inside
 * @param {Point} corner
 * @returns {Point[]} the ends of rows and lanes, where it changes between straight and bent
 */
function points({ block, source, target, lane }, boxes, found, inside, [left, top]) {
  const first = source === block ? 0 : boxes[source].row;
  const last = target === block ? inside.tops.length - 1 : boxes[target].row;
  const across = (/** @type {number} */ number) => {
    const one = found.get(number);
    return number === block || !one ? left + inside.width / 2 : one.left + one.width / 2;
  };
  const x = across(source);
  /** @type {Point[]} */
  const made = [];
  const from = source === block ? undefined : found.get(source);
  if (from) made.push([x, from.top + from.height]);
  made.push([x, top + inside.bottoms[first]]);
  if (lane !== MIDDLE) {
    const middle = left + inside.middles[lane];
    made.push([middle, top + inside.tops[first + 1]], [middle, top + inside.bottoms[last - 1]]);
  }
  made.push([across(target), top + inside.tops[last]]);
  return made;
}

/**
 * @param {Point[]} given
 * @returns {string} the `d` of a path: straight in a column, else bent from down to down
 */
export function bent(given) {
  return given.map(([x, y], at) => {
    if (!at) return `M${x} ${y}`;
    const [left, top] = given[at - 1];
    if (left === x) return `V${y}`;
    const end = at === given.length - 1 ? y - TIP : y; // the last piece is straight, so that its tip points down
    const middle = (top + end) / 2;
    return `C${left} ${middle} ${x} ${middle} ${x} ${end}${end === y ? "" : `V${y}`}`;
  }).join("");
}
