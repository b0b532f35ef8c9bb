/** Every channel or kernel of a layer as a small map; one of them large, over the picture where there is one. */

import { loadArray, pictureCanvas } from "../arrays.js";
import { BRIGHTNESS, colorMaps, colorize, inColors } from "../colors.js";
import { announce, fill, h } from "../dom.js";
import { number, prose } from "../format.js";
import { ChannelDetail } from "./channel-detail.js";
import { ChannelGrid } from "./channel-grid.js";
import { ColorBar } from "./color-bar.js";
import { networkHref } from "../parts/network-address.js";

export const kind = "feature-maps";
const INDEX = "index";

/** @typedef {import("../types.js").FeatureMapsWire} FeatureMapsWire */

/**
 * @param {FeatureMapsWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  const view = new FeatureMapsView(context);
  view.update(panels);
  return view;
}

/**
 * @param {number} count
 * @param {ArrayLike<number> | null} keys by which channels are ordered, the largest first; null for their numbers
 * @returns {number[]} channels in their order; equal ones by number, unknown ones last
 */
export function ranked(count, keys) {
  const channels = Array.from({ length: count }, (_, i) => i);
  if (!keys) return channels;
  const key = (/** @type {number} */ i) => (Number.isNaN(keys[i]) ? -Infinity : keys[i]);
  return channels.sort((a, b) => (key(a) === key(b) ? a - b : key(a) > key(b) ? -1 : 1));
}

/** Says to the other pictures of a page which channel or order of a layer somebody chose: they show the same. */
const together = new EventTarget();

class FeatureMapsView {
  /** @param {import("../types.js").PanelContext} context */
  constructor(context) {
    this.context = context;
    this.own = false;
    /** @type {string | null} the order that a person chose */
    this.order = null;
    /** @type {number[] | null} the same, by the numbers of the picture in whose view it was chosen */
    this.ranking = null;
    /** @type {number | null} the channel that a person chose */
    this.chosen = null;
    this.turn = 0;
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.orders = h("select", { onchange: () => this.choose({ order: this.orders.value }) });
    this.scales = h("input", { type: "checkbox", role: "switch", onchange: () => this.rescale() });
    this.finder = h("input", {
      type: "number", min: 0, step: 1, inputmode: "numeric", class: "channel-finder",
      onchange: () => this.find(Number(this.finder.value)),
    });
    this.findable = h("span", {});
    this.rescalable = h("label", { class: "switch" }, this.scales, h("span", {}, "Each on its own scale"));
    this.grid = new ChannelGrid();
    this.detail = new ChannelDetail();
    this.bar = new ColorBar();
    this.grid.element.addEventListener("choose", (event) =>
      this.choose({ channel: /** @type {CustomEvent} */ (event).detail }));
    this.element = h("section", { class: "plain-panel feature-maps", "data-kind": kind },
      this.heading,
      h("div", { class: "toolbar" },
        h("label", { class: "choice" }, h("span", {}, "Order"), this.orders),
        h("label", { class: "choice" }, this.findable, this.finder), this.rescalable),
      h("div", { class: "feature-body" },
        h("div", { class: "feature-main" }, this.grid.element, this.bar.element), this.detail.element),
      this.caption);
    this.onOther = (/** @type {Event} */ event) => this.follow(/** @type {CustomEvent} */ (event).detail);
    together.addEventListener("chosen", this.onOther);
    this.near = false;
    this.observer = new IntersectionObserver((entries) => this.appear(entries[entries.length - 1].isIntersecting),
      { rootMargin: "1200px" });
    this.observer.observe(this.element);
  }

  /** @param {FeatureMapsWire[]} panels */
  update(panels) {
    [this.panel] = panels;
    const { id, title, caption, measures, values, order, noun } = this.panel;
    this.element.dataset.panel = id;
    this.heading.textContent = title;
    this.caption.textContent = prose(caption);
    this.finder.max = String(values.shape[0] - 1);
    this.findable.textContent = `Go to ${noun}`;
    this.rescalable.title = `Shows each ${noun} from zero to its own largest value.`;
    this.grid.name(noun);
    const wanted = this.order ?? order;
    fill(this.orders, [["Number", INDEX], ...measures.map((one) => [one.title, one.name])].map(([words, name]) =>
      h("option", { value: name, selected: name === wanted }, words)));
    this.refresh();
  }

  /**
   * Loads and draws when the grid comes near, and gives the memory back when it is far again.
   *
   * @param {boolean} near
   */
  appear(near) {
    if (near === this.near) return;
    this.near = near;
    if (near) {
      this.refresh();
      return;
    }
    this.turn += 1;
    this.loaded = undefined;
    this.grid.release();
    this.detail.release();
  }

  /** Brings everything up to date; loads what is missing. */
  async refresh() {
    const { panel } = this;
    if (!panel || !this.near) return;
    this.turn += 1;
    const { turn } = this;
    try {
      const [maps, picture, colors, ...measures] = await Promise.all([
        loadArray(panel.values), panel.picture && loadArray(panel.picture), colorMaps(),
        ...panel.measures.map((one) => loadArray(one.values)),
      ]);
      if (turn !== this.turn) return;
      this.loaded = { panel, maps, colors, measures, picture: picture && pictureCanvas(picture) };
      this.rank();
      this.element.dataset.ready = panel.values.url;
    } catch (error) {
      if (turn === this.turn) this.context.fail(error);
    }
  }

  /**
   * Shows the channels in their order, and the chosen one large.
   */
  rank() {
    const { loaded, order } = this;
    if (!loaded) return;
    const { panel, maps, measures } = loaded; // a newer one may have come, whose arrays are still on their way
    const [count, rows, columns] = maps.shape;
    const place = panel.measures.findIndex((one) => one.name === (order ?? panel.order));
    const ranking = this.ranking?.length === count ? this.ranking : ranked(count, place < 0 ? null : measures[place].values);
    const wanted = this.chosen ?? (panel.noun === "channel" ? this.context.channel : null);
    const channel = wanted !== null && wanted < count ? wanted : ranking[0];
    this.grid.active = this.grid.chosen = channel;
    this.grid.show(ranking, columns / rows, (one) => this.painted(one).colors);
    this.enlarge(channel);
  }

  /**
   * Does what a person chose, here and in the views of the same layer for other pictures.
   *
   * @param {{channel?: number, order?: string}} what
   */
  choose({ channel, order }) {
    const { layer, noun, values } = /** @type {FeatureMapsWire} */ (this.panel);
    const told = { from: this, layer, noun, count: values.shape[0], channel, order };
    if (channel !== undefined) {
      this.chosen = channel;
      this.enlarge(channel);
      announce(`${noun} ${channel}`);
    }
    if (order !== undefined) {
      Object.assign(this, { order, ranking: null });
      this.rank();
      this.ranking = this.grid.ranking;
    }
    together.dispatchEvent(new CustomEvent("chosen", { detail: { ...told, ranking: this.ranking } }));
  }

  /**
   * Does as was done in another picture's view of the same layer.
   *
   * @param {{from: FeatureMapsView, layer: string, noun: string, count: number, channel?: number, order?: string, ranking: number[] | null}} told
   */
  follow({ from, layer, noun, count, channel, order, ranking }) {
    const { panel } = this;
    if (from === this || !panel || panel.layer !== layer || panel.noun !== noun || panel.values.shape[0] !== count) return;
    if (channel !== undefined) this.chosen = channel;
    if (order !== undefined) {
      Object.assign(this, { order, ranking });
      this.orders.value = order;
    }
    this.rank();
    if (channel !== undefined) this.grid.go(channel);
  }

  rescale() {
    this.own = this.scales.checked;
    if (!this.loaded) return;
    this.grid.show(this.grid.ranking, this.grid.aspect, this.grid.paint);
    this.enlarge(this.grid.chosen);
  }

  /** @param {number} channel */
  find(channel) {
    const count = this.panel?.values.shape[0] ?? 0;
    if (!Number.isInteger(channel) || channel < 0 || channel >= count) {
      announce(`There are ${this.panel?.noun}s 0 to ${count - 1}.`);
      return;
    }
    this.grid.go(channel);
    this.grid.choose(channel);
  }

  /** @param {number} channel */
  slice(channel) {
    const { values, shape } = /** @type {NonNullable<typeof this.loaded>} */ (this.loaded).maps;
    const size = shape.slice(1).reduce((product, side) => product * side, 1);
    return values.subarray(channel * size, (channel + 1) * size);
  }

  /**
   * @param {number} channel
   * @returns {[number, number]} the ends of its color scale
   */
  limits(channel) {
    const { panel } = /** @type {NonNullable<typeof this.loaded>} */ (this.loaded);
    if (!this.own) return panel.limits;
    let most = 0;
    for (const value of this.slice(channel)) most = Math.max(most, Math.abs(value));
    return panel.sign === "signed" ? [-(most || 1), most || 1] : [0, most || 1];
  }

  /** @param {number} channel */
  painted(channel) {
    const { panel, maps, colors } = /** @type {NonNullable<typeof this.loaded>} */ (this.loaded);
    const [, rows, columns, three] = maps.shape;
    if (three) return inColors(this.slice(channel), columns, rows, this.limits(channel));
    return colorize(this.slice(channel), columns, rows, colors[panel.sign], this.limits(channel));
  }

  /**
   * Shows a channel large.
   *
   * @param {number} channel
   */
  enlarge(channel) {
    const { loaded } = this;
    if (!loaded) return;
    const { panel } = loaded;
    const [, rows, columns, three] = loaded.maps.shape;
    this.detail.show({
      channel, noun: panel.noun, rows, columns, three: Boolean(three), values: this.slice(channel), colored: this.painted(channel), picture: loaded.picture,
      facts: panel.measures.map((one, i) => [one.title, loaded.measures[i].values[channel], one.units]),
      inside: panel.noun === "kernel" ? null : networkHref({
        model: this.context.model, layer: panel.layer, channel,
        pictures: this.context.picture ? [this.context.picture.digest] : [],
      }),
    });
    const limits = this.limits(channel);
    this.bar.show({
      map: three ? BRIGHTNESS : loaded.colors[panel.sign], limits,
      units: this.own ? `${panel.units}, ${panel.noun} ${channel}` : panel.units,
      low: limits[0] < 0 ? "negative" : "none", high: limits[0] < 0 ? "positive" : "most",
      clipped: this.own ? 0 : panel.clipped,
    });
    this.bar.element.setAttribute("aria-description", `${number(limits[0])} to ${number(limits[1])} ${panel.units}`);
  }

  close() {
    this.turn += 1;
    together.removeEventListener("chosen", this.onOther);
    this.observer.disconnect();
    this.grid.close();
    this.detail.close();
  }
}
