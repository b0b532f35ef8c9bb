/** Many pictures as points: colored, zoomed, brushed; a point shows its nearest neighbors. */

import { loadArray } from "../arrays.js";
import { announce, fill, freshId, h, icon } from "../dom.js";
import { percent, plural, prose } from "../format.js";
import { onColors } from "../page-colors.js";
import { Atlas } from "./atlas.js";
import { ScatterPlane } from "./scatter-plane.js";
import { explainButton, tileList } from "./tiles.js";

export const kind = "scatter";
const TILES = 48;

/** @typedef {import("../types.js").ScatterWire} ScatterWire */

/**
 * @param {ScatterWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  const view = new ScatterView(context);
  view.update(panels);
  return view;
}

class ScatterView {
  /** @param {import("../types.js").PanelContext} context */
  constructor(context) {
    this.context = context;
    this.turn = 0;
    this.coloring = 0;
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.plane = new ScatterPlane();
    this.plane.addEventListener("choose", (event) => this.choose(/** @type {CustomEvent} */ (event).detail));
    this.plane.addEventListener("brush", (event) => this.brush(/** @type {CustomEvent} */ (event).detail));
    const id = freshId("coloring");
    this.colors = h("select", { id, onchange: () => this.color(Number(this.colors.value)) });
    const mode = freshId("mode");
    const modes = [["brush", "Select"], ["move", "Move"]].map(([value, words], i) => h("label", {},
      h("input", { type: "radio", name: mode, value, checked: i === 0, onchange: () => (this.plane.mode = /** @type {"brush" | "move"} */ (value)) }),
      h("span", {}, words)));
    const step = (/** @type {"plus" | "minus" | "fit"} */ shape, /** @type {string} */ words, /** @type {() => void} */ act) =>
      h("button", { type: "button", class: "icon-only", "aria-label": words, title: words, onclick: act }, icon(shape));
    this.key = h("ul", { class: "scatter-key" });
    this.side = h("section", { class: "scatter-side", "aria-live": "polite" });
    this.keepColors = onColors(() => this.remark());
    this.element = h("section", { class: "plain-panel scatter", "data-kind": kind },
      this.heading,
      h("div", { class: "toolbar" },
        h("label", { class: "choice", for: id }, h("span", {}, "Color by"), this.colors),
        h("span", { class: "segmented", role: "radiogroup", "aria-label": "What dragging does" }, modes),
        step("plus", "Zoom in", () => this.plane.zoom(1.6)), step("minus", "Zoom out", () => this.plane.zoom(1 / 1.6)), step("fit", "Show all", () => this.plane.fit())),
      h("div", { class: "scatter-body" }, h("div", { class: "scatter-main" }, this.plane.element, this.key), this.side),
      this.caption);
  }

  /** @param {ScatterWire[]} panels */
  async update(panels) {
    const [panel] = panels;
    const before = this.panel;
    this.panel = panel;
    this.element.dataset.panel = panel.id;
    this.heading.textContent = panel.title;
    this.caption.textContent = prose(panel.caption);
    this.turn += 1;
    const { turn } = this;
    try {
      const [points, neighbors, atlas, ...values] = await Promise.all([
        loadArray(panel.points), loadArray(panel.neighbors), Atlas.load(panel.atlas), ...panel.colorings.map((one) => loadArray(one.values)),
      ]);
      if (turn !== this.turn) return;
      this.loaded = { neighbors, atlas, values: values.map((one) => one.values) };
      this.plane.show(/** @type {Float32Array} */ (points.values), panel.names, atlas, { x: panel.x_title, y: panel.y_title }, before?.names.length === panel.names.length);
      fill(this.colors, panel.colorings.map(({ name }, i) => h("option", { value: i, selected: i === this.coloring }, name)));
      this.color(Math.min(this.coloring, panel.colorings.length - 1));
      if (!before) this.explainHow();
      this.element.dataset.ready = panel.points.url;
    } catch (error) {
      if (turn === this.turn) this.context.fail(error);
    }
  }

  explainHow() {
    fill(this.side, h("p", { class: "muted small" },
      "Drag around points to see their pictures; click one for its nearest neighbors. With the keyboard: arrows go from point to point, Enter chooses, plus and minus zoom, Escape lets go."));
  }

  /** @param {number} which coloring; -1 where there is none */
  color(which) {
    const { panel, loaded } = this;
    if (!panel || !loaded || which < 0) return;
    this.coloring = which;
    const { words } = panel.colorings[which];
    const values = loaded.values[which];
    this.plane.color(values);
    const counts = words.map(() => 0);
    for (const value of values) if (value >= 0) counts[value] += 1;
    const order = words.map((_, i) => i).sort((a, b) => counts[b] - counts[a]);
    this.plane.rank(order);
    fill(this.key, order.map((value, rank) => h("li", {}, h("button", {
      type: "button", class: "scatter-word", "aria-pressed": "false",
      onclick: (/** @type {Event} */ event) => this.highlight(value, /** @type {HTMLElement} */ (event.currentTarget)),
    }, this.plane.mark(rank), h("span", {}, words[value]), h("span", { class: "muted" }, counts[value].toLocaleString("en-US"))))));
  }

  /** Draws the marks of the key anew: they have the page's colors. */
  remark() {
    this.key.querySelectorAll(".scatter-mark").forEach((/** @type {Element} */ mark, /** @type {number} */ rank) => mark.replaceWith(this.plane.mark(rank)));
  }

  /**
   * @param {number} value
   * @param {HTMLElement} button
   */
  highlight(value, button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const one of this.key.querySelectorAll("button")) one.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(on));
    this.plane.highlight(on ? value : null);
  }

  /** @param {number} i a point */
  choose(i) {
    const { panel, loaded } = this;
    if (!panel || !loaded) return;
    const [, each] = loaded.neighbors.shape;
    const near = [...loaded.neighbors.values.subarray(i * each, (i + 1) * each)];
    this.plane.point(i, near);
    announce(`${panel.names[i]}, ${this.said(i)}`);
    fill(this.side, h("h4", {}, panel.names[i]), h("p", { class: "muted small" }, this.said(i)),
      tileList([{ number: i, caption: "", name: "" }], { atlas: loaded.atlas }),
      panel.album && explainButton({ model: this.context.model, album: panel.album, names: [panel.names[i]] }),
      h("h4", {}, "Nearest neighbors"), this.tiles(near),
      panel.album && explainButton({ model: this.context.model, album: panel.album, names: [i, ...near].map((one) => panel.names[one]), words: "Explain it beside them" }));
  }

  /** @param {number[]} chosen points within a brush */
  brush(chosen) {
    const { panel, loaded } = this;
    if (!panel || !loaded) return;
    if (!chosen.length) {
      this.explainHow();
      return;
    }
    announce(`${plural(chosen.length, "picture")} chosen`);
    fill(this.side, h("h4", {}, `${plural(chosen.length, "picture")} chosen`), this.counts(chosen),
      panel.album && explainButton({ model: this.context.model, album: panel.album, names: chosen.map((i) => panel.names[i]) }),
      this.tiles(chosen.slice(0, TILES)), chosen.length > TILES && h("p", { class: "muted small" }, `The first ${TILES} are shown.`));
  }

  /** @param {number[]} chosen */
  counts(chosen) {
    const { panel, loaded } = this;
    if (!panel || !loaded || !panel.colorings.length) return null;
    const { name, words } = panel.colorings[this.coloring];
    const values = loaded.values[this.coloring];
    const counts = words.map(() => 0);
    for (const i of chosen) if (values[i] >= 0) counts[values[i]] += 1;
    const order = words.map((_, i) => i).filter((i) => counts[i]).sort((a, b) => counts[b] - counts[a]).slice(0, 8);
    return h("table", { class: "scatter-counts" }, h("caption", { class: "visually-hidden" }, `Chosen pictures by ${name}`),
      h("tbody", {}, order.map((i) => h("tr", {}, h("th", { scope: "row" }, words[i]), h("td", {}, counts[i].toLocaleString("en-US")), h("td", {}, percent(counts[i] / chosen.length))))));
  }

  /** @param {number[]} points */
  tiles(points) {
    const { panel, loaded } = /** @type {{panel: ScatterWire, loaded: any}} */ (this);
    return tileList(points.map((i) => ({ number: i, caption: this.said(i), name: panel.names[i] })), { atlas: loaded.atlas },
      { choose: ({ number }) => this.choose(number) });
  }

  /**
   * @param {number} i
   * @returns {string} what is known of a point
   */
  said(i) {
    const { panel, loaded } = /** @type {{panel: ScatterWire, loaded: any}} */ (this);
    return panel.colorings.map(({ name, words }, which) => {
      const value = loaded.values[which][i];
      return value < 0 ? "" : name === "prediction" ? `taken for ${words[value]}` : words[value];
    }).filter(Boolean).join(", ");
  }

  close() {
    this.keepColors();
    this.plane.close();
  }
}
