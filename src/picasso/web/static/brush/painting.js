/** What was painted: for each pixel of the network's input which paint lies on it; with undo, and as data. */

/**
 * @typedef {"grey" | "black" | "white" | "mean" | "blur" | "clone"} Fill
 * @typedef {{fill: Fill, right: number, down: number}} Paint
 * @typedef {{fill: Fill, right?: number, down?: number, runs: number[]}} PaintData
 * @typedef {{height: number, width: number, paints: PaintData[]}} EditData
 */

export const FILLS = ["grey", "black", "white", "mean", "blur", "clone"];
const MOST_PAINTS = 255;
const MOST_RUNS = 100_000;
const KEPT_BYTES = 32 * 2 ** 20;

/** Events: "change" when pixels changed; "commit" when a step that can be undone is complete. */
export class Painting extends EventTarget {
  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    super();
    this.width = width;
    this.height = height;
    /** 0: not painted; n: the paint n - 1. */
    this.labels = new Uint8Array(width * height);
    /** @type {Paint[]} */
    this.paints = [];
    /** @type {Uint8Array[]} */
    this.past = [];
    /** @type {Uint8Array[]} */
    this.future = [];
    this.before = this.labels.slice();
    this.steps = Math.max(8, Math.min(200, Math.floor(KEPT_BYTES / this.labels.length)));
  }

  get painted() {
    let count = 0;
    for (const label of this.labels) if (label) count += 1;
    return count;
  }

  /**
   * @param {Paint | null} paint null erases
   * @returns {number} its label; -1 where there are too many paints
   */
  label(paint) {
    if (!paint) return 0;
    const known = this.paints.findIndex((one) => one.fill === paint.fill && one.right === paint.right && one.down === paint.down);
    if (known >= 0) return known + 1;
    if (this.paints.length >= MOST_PAINTS) return -1;
    return this.paints.push(paint);
  }

  /**
   * Paints whole pixels whose centers lie within half the size of a line.
   *
   * @param {[number, number]} from x, y; the center of the first pixel is (0.5, 0.5)
   * @param {[number, number]} to
   * @param {number} size diameter in pixels
   * @param {Paint | null} paint
   */
  line([x0, y0], [x1, y1], size, paint) {
    // A brush of one pixel paints the pixel that it is in, wherever in it.
    const reach = Math.max(size / 2, Math.SQRT1_2);
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    this.#each(Math.min(x0, x1) - reach, Math.min(y0, y1) - reach, Math.max(x0, x1) + reach, Math.max(y0, y1) + reach, paint, (x, y) => {
      const share = length ? Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
      return (x - x0 - share * dx) ** 2 + (y - y0 - share * dy) ** 2 <= reach * reach;
    });
  }

  /**
   * Paints all pixels that a rectangle touches.
   *
   * @param {[number, number]} from a corner
   * @param {[number, number]} to the opposite corner
   * @param {Paint | null} paint
   */
  rectangle([x0, y0], [x1, y1], paint) {
    this.#each(Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1), paint, () => true);
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} right
   * @param {number} bottom
   * @param {Paint | null} paint
   * @param {(x: number, y: number) => boolean} covers whether the pixel with this center is painted
   */
  #each(left, top, right, bottom, paint, covers) {
    const label = this.label(paint);
    if (label < 0) return;
    const { width, height, labels } = this;
    const clone = paint?.fill === "clone" ? paint : null;
    let changed = false;
    for (let y = Math.max(0, Math.floor(top)); y <= Math.min(height - 1, Math.floor(bottom)); y += 1) {
      if (clone && (y + clone.down < 0 || y + clone.down >= height)) continue;
      for (let x = Math.max(0, Math.floor(left)); x <= Math.min(width - 1, Math.floor(right)); x += 1) {
        // Beyond the edge there is nothing to copy.
        if (clone && (x + clone.right < 0 || x + clone.right >= width)) continue;
        const i = y * width + x;
        if (labels[i] === label || !covers(x + 0.5, y + 0.5)) continue;
        labels[i] = label;
        changed = true;
      }
    }
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** Makes what was painted since the last time one step that can be undone. */
  commit() {
    if (same(this.labels, this.before)) return;
    this.past.push(this.before);
    if (this.past.length > this.steps) this.past.shift();
    this.future = [];
    this.before = this.labels.slice();
    this.dispatchEvent(new Event("commit"));
  }

  /** Takes back what was painted since the last step. */
  abandon() {
    this.#set(this.before.slice());
  }

  undo() {
    this.commit();
    const earlier = this.past.pop();
    if (!earlier) return;
    this.future.push(this.before);
    this.before = earlier;
    this.#set(earlier.slice());
    this.dispatchEvent(new Event("commit"));
  }

  redo() {
    const later = this.future.pop();
    if (!later) return;
    this.past.push(this.before);
    this.before = later;
    this.#set(later.slice());
    this.dispatchEvent(new Event("commit"));
  }

  clear() {
    this.#set(new Uint8Array(this.labels.length));
    this.commit();
  }

  /** @param {Uint8Array} labels */
  #set(labels) {
    this.labels = labels;
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {EditData | null} null where nothing is painted */
  data() {
    /** @type {Map<number, number[]>} */
    const runs = new Map();
    const { labels } = this;
    for (let i = 0; i < labels.length;) {
      const label = labels[i];
      let end = i + 1;
      while (end < labels.length && labels[end] === label) end += 1;
      if (label) {
        const list = runs.get(label) ?? [];
        list.push(i, end - i);
        runs.set(label, list);
      }
      i = end;
    }
    if (!runs.size) return null;
    const paints = [...runs].map(([label, found]) => {
      const { fill, right, down } = this.paints[label - 1];
      return fill === "clone" ? { fill, right, down, runs: found } : { fill, runs: found };
    });
    return { height: this.height, width: this.width, paints };
  }

  /**
   * Takes over what was painted elsewhere, as a step that can be undone.
   *
   * @param {EditData} edit
   */
  load(edit) {
    if (edit.width !== this.width || edit.height !== this.height) {
      throw new Error(`The edit is of ${edit.width} \u00d7 ${edit.height} pixels; this model reads ${this.width} \u00d7 ${this.height}.`);
    }
    const labels = new Uint8Array(this.labels.length);
    for (const { fill, right = 0, down = 0, runs } of edit.paints) {
      const label = this.label({ fill, right, down });
      for (let i = 0; i < runs.length; i += 2) labels.fill(label, runs[i], runs[i] + runs[i + 1]);
    }
    this.#set(labels);
    this.commit();
  }
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function same(a, b) {
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * @param {any} edit what a file or an address holds
 * @returns {EditData}
 */
export function checked(edit) {
  const whole = (/** @type {unknown} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    Number.isInteger(value) && /** @type {number} */ (value) >= low && /** @type {number} */ (value) <= high;
  const fits = edit && whole(edit.height, 1, 8192) && whole(edit.width, 1, 8192) && Array.isArray(edit.paints) &&
    edit.paints.length <= MOST_PAINTS && edit.paints.every((/** @type {any} */ paint) => {
      const { fill, right = 0, down = 0, runs } = paint ?? {};
      const pixels = edit.height * edit.width;
      let last = 0;
      return FILLS.includes(fill) && Array.isArray(runs) && runs.length % 2 === 0 && runs.length <= 2 * MOST_RUNS &&
        whole(right, 1 - edit.width, edit.width - 1) && whole(down, 1 - edit.height, edit.height - 1) &&
        (fill === "clone" || (!right && !down)) &&
        runs.every((/** @type {unknown} */ number, /** @type {number} */ i) => {
          const allowed = i % 2 ? whole(number, 1, pixels - last) : whole(number, last, pixels - 1);
          last = i % 2 ? last + Number(number) : Number(number);
          return allowed;
        });
    });
  if (!fits) throw new Error("This is no edit of the what-if brush.");
  return edit;
}

/**
 * Writes an edit for an address: "64x64;grey:2s.5.1q.5;clone,3,-4:1.2". Numbers are of base 36; of a run the distance
 * from the end of the one before, and its length.
 *
 * @param {EditData} edit
 */
export function toText({ height, width, paints }) {
  const parts = paints.map(({ fill, right, down, runs }) => {
    let last = 0;
    const numbers = runs.map((number, i) => {
      const written = i % 2 ? number : number - last;
      last = i % 2 ? last + number : number;
      return written.toString(36);
    });
    return `${fill === "clone" ? `clone,${right},${down}` : fill}:${numbers.join(".")}`;
  });
  return [`${width}x${height}`, ...parts].join(";");
}

/**
 * @param {string} text
 * @returns {EditData}
 */
export function fromText(text) {
  const [size, ...parts] = text.split(";");
  const [width, height] = size.split("x").map(Number);
  return checked({
    height,
    width,
    paints: parts.map((part) => {
      const [name, list = ""] = part.split(":");
      const [fill, right, down] = name.split(",");
      let last = 0;
      const runs = list.split(".").map((number, i) => {
        const value = parseInt(number, 36) + (i % 2 ? 0 : last);
        last = i % 2 ? last + value : value;
        return value;
      });
      return { fill, right: Number(right ?? 0), down: Number(down ?? 0), runs };
    }),
  });
}
