/** Maps over the picture: the picture beside them, one cursor, one view and one color scale for all. */

import { loadArray, pictureCanvas } from "../arrays.js";
import { colorMaps, colorize, grayed } from "../colors.js";
import { announce, fill, freshId, h } from "../dom.js";
import { prose, steady } from "../format.js";
import { drawClassList } from "./class-list.js";
import { ClassTabs } from "./class-tabs.js";
import { ColorBar } from "./color-bar.js";
import { display } from "./display.js";
import { extract } from "./extraction.js";
import { boxInWords, keptLimits, keptName, keptValues, largest, viewed, viewedLimits, words } from "./heatmap-values.js";
import { cropSentence, originalView } from "./original.js";
import { Pane } from "./pane.js";
import { DisplayControls, zoomControls } from "./toolbar.js";
import { Viewport } from "./viewport.js";

export const kind = "heatmap";
const NEAR_PX = 1200;

/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */
/** @typedef {import("../types.js").PanelContext} PanelContext */

/**
 * @param {HeatmapWire[]} panels
 * @param {PanelContext} context
 */
export function mount(panels, context) {
  const figure = new HeatmapFigure(context);
  figure.update(panels);
  return figure;
}

class HeatmapFigure {
  /** @param {PanelContext} context */
  constructor(context) {
    this.context = context;
    this.viewport = new Viewport(1, 1);
    /** @type {HeatmapWire[]} */
    this.panels = [];
    this.selected = "";
    /** Whether a visitor chose it. Otherwise it is the best class that has come, in whichever order they come. */
    this.byHand = false;
    this.visible = false;
    /** @type {Map<string, MapPane>} */
    this.maps = new Map();
    this.turn = 0;

    const row = freshId("maps");
    this.tabs = new ClassTabs(row, (id) => this.select(id));
    this.picture = new PictureColumn(this.viewport);
    this.row = h("div", { class: "panes", id: row, role: "group", "aria-label": "Picture and maps" });
    this.bar = new ColorBar();
    this.controls = new DisplayControls();
    this.readout = h("p", { class: "readout" });
    this.boxed = h("p", { class: "boxed", "aria-live": "polite", hidden: true });
    this.notes = h("div", { class: "notes" });
    this.classes = h("div", { class: "class-list", hidden: true });
    this.element = h("section", { class: "figure", "data-kind": "heatmap" },
      this.tabs.element,
      h("div", { class: "figure-body" },
        h("div", { class: "figure-main" },
          this.row,
          h("div", { class: "under" },
            h("div", { class: "toolbar" }, this.controls.element, zoomControls(this.viewport)),
            h("div", {}, this.bar.element, this.boxed, this.readout))),
        h("div", { class: "aside" }, this.classes, this.notes)));

    this.viewport.addEventListener("cursor", () => this.read());
    this.element.classList.toggle("compare", Boolean(context.compare));
    this.row.addEventListener("inspect", () => this.speak());
    this.onDisplay = () => this.refresh();
    this.onStrength = () => this.strengthen();
    display.addEventListener("change", this.onDisplay);
    display.addEventListener("strength", this.onStrength);
    this.onThreshold = () => this.box();
    display.addEventListener("threshold", this.onThreshold);
    this.observer = new IntersectionObserver((entries) => this.appear(entries[entries.length - 1].isIntersecting),
      { rootMargin: `${NEAR_PX}px` });
    this.observer.observe(this.element);
  }

  /**
   * Loads and draws when the figure comes near, and gives the memory back when it is far again.
   *
   * @param {boolean} near
   */
  appear(near) {
    if (near === this.visible) return;
    this.visible = near;
    if (near) {
      this.refresh();
      return;
    }
    this.turn += 1;
    this.picture.pane.release();
    for (const map of this.maps.values()) map.release();
    for (const panel of this.panels) lastPainted.delete(panel);
  }

  strengthen() {
    if (!this.visible) return;
    this.controls.sync();
    for (const map of this.maps.values()) map.pane.strengthen(display.opacity);
  }

  /** @param {HeatmapWire[]} panels */
  update(panels) {
    this.panels = [...panels].sort((a, b) => a.rank - b.rank);
    this.byHand &&= this.panels.some((panel) => panel.id === this.selected);
    if (!this.byHand) {
      this.byHand = this.panels.some((panel) => panel.id === this.context.chosen);
      this.selected = this.byHand ? this.context.chosen ?? "" : this.panels[0].id;
    }
    const [height, width] = this.panels[0].values.shape;
    this.viewport.resize(width, height);
    this.row.style.setProperty("--aspect", String(width / height));
    this.controls.offer(this.panels);
    this.describe();
    this.refresh();
  }

  /** @param {string} id */
  select(id) {
    this.selected = id;
    this.byHand = true;
    const panel = this.panels.find((one) => one.id === id);
    this.element.dispatchEvent(new CustomEvent("map-selected", { bubbles: true, detail: id }));
    if (panel && !display.all) announce(`Map for ${panel.target}`);
    this.refresh();
  }

  describe() {
    const sentences = new Set();
    for (const panel of this.panels) {
      if (panel.caption) sentences.add(panel.caption);
      for (const note of panel.notes ?? []) sentences.add(note);
      if (panel.laid) sentences.add(panel.laid);
    }
    const crop = cropSentence(this.context.picture, this.panels[0].frame);
    if (crop) sentences.add(crop);
    fill(this.notes, [...sentences].map((sentence) => h("p", {}, asSentence(sentence))));
  }

  listClasses() {
    const explained = new Map(this.panels.map((panel) => [panel.target, panel.id]));
    drawClassList(this.classes, this.context.listing(), explained, this.selected, (id) => this.select(id));
  }

  /** Brings everything that is shown up to date; loads what is missing. */
  async refresh() {
    const chosen = this.panels.find((panel) => panel.id === this.selected);
    if (!chosen) return;
    const shown = display.all || this.context.compare ? this.panels : [chosen];
    this.tabs.show(this.panels.map(({ id, target, title, probability, score }) =>
      ({ id, label: target || title, probability, score })), this.selected);
    this.controls.sync();
    this.listClasses();
    this.arrange(shown);
    if (!this.visible) return;
    this.turn += 1;
    const turn = this.turn;
    try {
      await this.load(shown, () => turn === this.turn);
    } catch (error) {
      if (turn === this.turn) this.context.fail(error);
    }
  }

  /** @param {HeatmapWire[]} shown */
  arrange(shown) {
    /** @type {Map<string, MapPane>} */
    const maps = new Map();
    shown.forEach((panel, i) => {
      // While one map is shown its pane is kept, so that another class does not blink.
      const reused = this.maps.get(panel.id) ?? (shown.length === 1 ? [...this.maps.values()][0] : undefined);
      const pane = reused ?? new MapPane(this.viewport);
      pane.name(panel, this.context.title, i);
      maps.set(panel.id, pane);
    });
    this.maps = maps;
    const columns = [this.picture.element, ...[...maps.values()].map((map) => map.element)];
    if (columns.some((column, i) => this.row.children[i] !== column) || this.row.children.length !== columns.length) {
      fill(this.row, columns);
    }
    this.row.classList.toggle("many", columns.length > 2);
  }

  /**
   * @param {HeatmapWire[]} shown
   * @param {() => boolean} current
   */
  async load(shown, current) {
    const first = shown[0];
    const [colors, seen, original] = await Promise.all([
      colorMaps(),
      seenPicture(first.picture),
      display.seen ? null : originalView(this.context.picture, first.frame),
    ]);
    if (!current()) return;
    const base = original ?? seen;
    const sharp = base === original;
    this.picture.show(base, display.seen || !sharp ? "What the model saw" : "Picture");
    const gray = grayed(base);
    const kept = display.kept && this.panels.every((panel) => panel.kept);
    const limits = await (kept ? keptLimits(this.panels) : viewedLimits(this.panels));
    const size = display.size && !kept;
    await Promise.all(shown.map(async (panel) => {
      const native = display.native && panel.native;
      const array = await loadArray(native || panel.values);
      const { shape } = array;
      if (!current()) return;
      const map = this.maps.get(panel.id);
      const { numbers, colored } = painted(panel, [Boolean(native), kept, size, display.smooth, ...limits].join(), () => {
        const values = viewed(array);
        const shown = kept ? keptValues(values, panel.score) : values;
        const sign = kept || size ? "unsigned" : panel.sign;
        return { numbers: shown, colored: colorize(shown, shape[1], shape[0], colors[sign], limits) };
      });
      map?.show({ base: gray, map: colored, opacity: display.opacity }, numbers, shape);
    }));
    if (!current()) return;
    this.scale = { ...words(first, kept), limits, largest: largest(limits) };
    this.bar.show({
      ...this.scale,
      map: colors[kept || size ? "unsigned" : first.sign],
      clipped: kept || display.smooth ? 0 : first.clipped ?? 0,
    });
    await this.box();
    if (!current()) return;
    this.element.dataset.ready = this.panels.map((panel) => panel.values.url).join(" ");
    this.read();
  }

  /** Outlines what each map points at, and says where the box of the chosen one lies. */
  async box() {
    this.controls.sync();
    this.boxed.hidden = !display.box;
    const turn = this.turn;
    for (const panel of this.panels) {
      const map = this.maps.get(panel.id);
      if (!map) continue;
      const array = display.box && this.visible ? await loadArray(panel.values) : null;
      if (turn !== this.turn) return;
      const found = array && extract(viewed(array), array.shape, display.threshold);
      map.pane.outline.show(found, panel.values.shape);
      if (panel.id !== this.selected) continue;
      this.picture.pane.outline.show(found, panel.values.shape);
      if (!found) continue;
      const { box, words } = boxInWords(found, panel, this.context.picture);
      this.boxed.dataset.box = box?.join() ?? "";
      this.boxed.textContent = words;
    }
  }

  /** Shows the values under the cursor. */
  read() {
    const { cursor } = this.viewport;
    this.picture.read(cursor);
    for (const map of this.maps.values()) map.read(cursor, this.scale?.largest ?? 1);
    const chosen = this.maps.get(this.selected);
    const value = cursor && chosen ? chosen.valueAt(cursor) : null;
    this.bar.point(value);
    fill(this.readout, value === null ? "Point at the picture to read values." : this.sentence(value));
  }

  /** @param {number} value under the cursor */
  sentence(value) {
    const panel = this.panels.find((one) => one.id === this.selected);
    if (!panel || !this.scale) return "";
    if (!Number.isFinite(value)) return "Nothing is known here.";
    const { largest: most, units } = this.scale;
    const parts = [`${units} `, h("b", {}, steady(value, most))];
    if (panel.kept && !display.size) {
      const other = display.kept ? panel.units : keptName(panel).toLowerCase();
      parts.push(` \u00b7 ${other} `, h("b", {}, steady(panel.score - value, most)), ` of ${steady(panel.score, most)}`);
    }
    return parts;
  }

  speak() {
    const { cursor } = this.viewport;
    const chosen = this.maps.get(this.selected);
    if (!cursor || !chosen) return;
    const value = steady(chosen.valueAt(cursor), this.scale?.largest ?? 1);
    announce(`x ${cursor.x}, y ${cursor.y}: ${value} ${this.scale?.units ?? ""}`);
  }

  close() {
    this.observer.disconnect();
    display.removeEventListener("change", this.onDisplay);
    display.removeEventListener("strength", this.onStrength);
    display.removeEventListener("threshold", this.onThreshold);
  }
}

/**
 * @typedef {{numbers: ArrayLike<number>, colored: import("../colors.js").Colored}} Painted
 * @type {WeakMap<HeatmapWire, {how: string, painted: Painted}>}
 */
const lastPainted = new WeakMap();

/**
 * Colors a map once for as long as it is shown in the same way: the strength changes with every step of a hand.
 *
 * @param {HeatmapWire} panel
 * @param {string} how everything that decides the colors
 * @param {() => Painted} paint
 * @returns {Painted}
 */
function painted(panel, how, paint) {
  const known = lastPainted.get(panel);
  if (known?.how === how) return known.painted;
  const fresh = paint();
  lastPainted.set(panel, { how, painted: fresh });
  return fresh;
}

/** @param {string} text */
function asSentence(text) {
  return prose(text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : "."));
}

/** @type {WeakMap<object, HTMLCanvasElement>} */
const seenPictures = new WeakMap();

/**
 * @param {import("../arrays.js").ArrayRef} reference
 * @returns {Promise<HTMLCanvasElement>} what the model saw; drawn once
 */
async function seenPicture(reference) {
  const array = await loadArray(reference);
  let canvas = seenPictures.get(array);
  if (!canvas) seenPictures.set(array, (canvas = pictureCanvas(array)));
  return canvas;
}

class PictureColumn {
  /** @param {Viewport} viewport */
  constructor(viewport) {
    this.pane = new Pane(viewport, "Picture");
    this.title = h("span", { class: "pane-title" }, "Picture");
    this.place = h("output", { class: "pane-value" });
    this.element = h("div", { class: "pane-column" },
      h("div", { class: "pane-head" }, this.title, this.place), this.pane.element);
  }

  /**
   * @param {HTMLCanvasElement} base
   * @param {string} title
   */
  show(base, title) {
    this.title.textContent = title;
    this.pane.name(title);
    this.pane.show({ base });
  }

  /** @param {{x: number, y: number} | null} cursor */
  read(cursor) {
    this.place.textContent = cursor ? `x ${cursor.x}, y ${cursor.y}` : "";
  }
}

class MapPane {
  /** @param {Viewport} viewport */
  constructor(viewport) {
    this.viewport = viewport;
    this.pane = new Pane(viewport, "Map");
    this.title = h("span", { class: "pane-title" });
    this.value = h("output", { class: "pane-value" });
    this.element = h("div", { class: "pane-column" },
      h("div", { class: "pane-head" }, this.title, this.value), this.pane.element);
    /** @type {ArrayLike<number>} */
    this.values = [];
    /** @type {number[]} */
    this.shape = [1, 1];
  }

  /**
   * @param {HeatmapWire} panel
   * @param {string} method
   * @param {number} place
   */
  name(panel, method, place) {
    const label = panel.target || panel.title;
    fill(this.title, h("span", { class: "pane-target" }, label), h("span", { class: "pane-method" }, method));
    this.pane.name(`${method} for ${label}`);
    this.element.dataset.panel = panel.id;
    this.element.dataset.place = String(place);
  }

  /**
   * @param {import("./pane.js").Content} content
   * @param {ArrayLike<number>} values
   * @param {number[]} shape
   */
  show(content, values, shape) {
    this.values = values;
    this.shape = shape;
    this.pane.show(content);
  }

  release() {
    this.values = [];
    this.pane.release();
  }

  /**
   * @param {{x: number, y: number}} cursor pixels of the map
   * @returns {number} NaN where nothing is known
   */
  valueAt({ x, y }) {
    const [rows, columns] = this.shape;
    const row = Math.floor(((y + 0.5) * rows) / this.viewport.height);
    const column = Math.floor(((x + 0.5) * columns) / this.viewport.width);
    return this.values[row * columns + column] ?? NaN;
  }

  /**
   * @param {{x: number, y: number} | null} cursor
   * @param {number} scale
   */
  read(cursor, scale) {
    const value = cursor ? this.valueAt(cursor) : null;
    this.value.textContent = value === null ? "" : steady(value, scale);
    if (value === null) delete this.value.dataset.value;
    else this.value.dataset.value = String(value);
  }
}
