/** <picasso-result>: one visualization of one picture by one model, while it comes and when it is there. */

import { asApiError, get } from "../api.js";
import { announce, fill, freshId, h, icon } from "../dom.js";
import { PanelGroups } from "../panels/groups.js";
import { chosenMap, writeMap } from "./map-address.js";
import { networkHref } from "./network-address.js";
import { problem } from "./problem.js";
import { record } from "./record.js";

/** @typedef {import("../types.js").Wire} Wire */
/** @typedef {import("../types.js").Picture} Picture */

/**
 * @typedef {object} Heading
 * @property {Picture | null} picture
 * @property {string} title the visualization's title
 * @property {string} model
 * @property {number | null} [channel] the one of a layer that is shown large at first
 */

export class PicassoResult extends HTMLElement {
  /** @param {number | null} [place] among the results of the page, whose address keeps the chosen map; null where it does not */
  constructor(place = null) {
    super();
    this.place = place;
    this.addEventListener("map-selected", (event) => this.place === null || writeMap(this.place, /** @type {CustomEvent} */ (event).detail));
    /** @type {Map<string, Wire>} panels by id, in the order of their first appearance */
    this.panels = new Map();
    /** @type {Heading} */
    this.heading = { picture: null, title: "", model: "" };
    this.head = h("header", { class: "result-head" });
    this.state = h("div", { class: "result-state" });
    this.tested = h("div", { class: "result-tested" });
    this.brush = h("div", { class: "result-brush", id: freshId("brush") });
    this.belief = h("div", { class: "result-belief", id: freshId("belief") });
    this.addEventListener("measured", () => this.retest());
    this.body = h("div", { class: "result-body" });
    this.groups = new PanelGroups(this.body, () => this.context());
    this.foot = h("div", { class: "result-foot" });
  }

  connectedCallback() {
    if (!this.firstChild) this.append(this.head, this.state, this.tested, this.brush,
      h("div", { class: "result-main" }, this.body, this.belief), this.foot);
  }

  disconnectedCallback() {
    this.groups.close();
  }

  /**
   * Starts an empty view for a result that is to come.
   *
   * @param {Heading} heading
   */
  begin(heading) {
    this.heading = heading;
    this.panels.clear();
    fill(this.tested);
    fill(this.brush);
    fill(this.belief);
    this.dataset.state = "waiting";
    this.drawHead();
    fill(this.state, h("div", { class: "placeholder" },
      heading.picture?.thumbnail && h("img", { src: heading.picture.thumbnail, alt: "", width: 96, height: 96, loading: "lazy" }),
      h("p", {}, "Waiting for its turn\u2026")));
    fill(this.foot);
  }

  /**
   * Shows a panel; one of the same id is replaced.
   *
   * @param {Wire} panel
   */
  panel(panel) {
    this.panels.set(panel.id, panel);
    this.dataset.state = "coming";
    if (this.panels.size === 1) fill(this.state);
    this.drawPanels();
  }

  /**
   * Shows the whole result. The panels that came before are replaced by the stored ones.
   *
   * @param {import("../types.js").StoredResult} result
   */
  show(result) {
    const { document, picture } = result;
    this.result = result;
    this.dataset.state = "done";
    this.dataset.key = result.key;
    this.heading = { ...this.heading, picture, title: document.visualization.title, model: document.model.name };
    fill(this.tested, testedLine(document));
    fill(this.brush);
    fill(this.belief);
    this.panels = new Map(result.panels.map((panel) => [panel.id, panel]));
    this.drawHead();
    fill(this.state);
    this.drawPanels();
    fill(this.foot, record(document));
    // A link to what somebody painted opens with it.
    if (location.hash.startsWith(`#what-if=${result.key.slice(0, 12)}/`)) this.paint();
    // What was measured before, or is being measured, is shown with the map.
    if (result.comparison || result.measuring) this.believe();
  }

  /**
   * Fetches and shows a stored result.
   *
   * @param {string} key
   */
  async load(key) {
    try {
      this.show(await get(`/results/${encodeURIComponent(key)}`));
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Fetches the stored result once it is about to be seen.
   *
   * @param {string} key
   */
  lazily(key) {
    this.dataset.key = key;
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.load(key);
    }, { rootMargin: "1600px" }).observe(this);
  }

  /** @param {unknown} error */
  fail(error) {
    this.dataset.state = "failed";
    this.drawHead();
    fill(this.state, problem(error));
    announce(asApiError(error).message);
  }

  /** @param {string} sentence */
  note(sentence) {
    this.drawHead();
    fill(this.state, h("p", { class: "result-note" }, sentence));
  }

  drawHead() {
    const { picture, title, model } = this.heading;
    fill(this.head,
      h("div", { class: "result-title" },
        h("h2", {}, picture?.name ?? title ?? "Result"),
        h("p", {}, [picture && title, model].filter(Boolean).join(" \u00b7 "))),
      this.result && this.dataset.state === "done" ? this.actions(this.result) : null);
  }

  /** @param {import("../types.js").StoredResult} result */
  actions({ key, document, picture, panels }) {
    const path = `/results/${encodeURIComponent(key)}`;
    const file = (/** @type {string} */ query) => `/api/v1${path}/export?${query}`;
    const maps = panels.filter((panel) => panel.kind === "heatmap");
    const channels = panels.find((panel) => panel.kind === "feature-maps");
    const strip = panels.find((panel) => panel.kind === "series" && /** @type {any} */ (panel).steps.some((/** @type {any} */ step) => step.picture));
    const item = (/** @type {string} */ label, /** @type {string} */ what, /** @type {string} */ query) =>
      h("li", {}, h("a", { href: file(query), download: true }, h("b", {}, label), h("span", {}, what)));
    // The pictures that are exported are those of the map that is shown.
    const mapItem = (/** @type {string} */ label, /** @type {string} */ what, /** @type {string} */ more) => {
      const line = item(label, what, "");
      const aim = (/** @type {string} */ id) =>
        (line.firstChild.href = file(`format=png&panel=${encodeURIComponent(id)}${more}`));
      aim(maps.some(({ id }) => id === this.chosen()) ? this.chosen() : maps[0].id);
      this.addEventListener("map-selected", (event) => aim(/** @type {CustomEvent} */ (event).detail));
      return line;
    };
    const copy = h("button", { type: "button", onclick: () => copyLink(copy, path) }, icon("link"), h("span", {}, "Copy link"));
    this.opener = picture && h("button", {
      type: "button", "aria-expanded": "false", "aria-controls": this.brush.id, onclick: () => this.paint(),
    }, icon("brush"), h("span", {}, "What if\u2026"));
    const { frames } = document.model;
    this.doubter = maps.length > 0 && document.tested && !frames && h("button", {
      type: "button", "aria-expanded": "false", "aria-controls": this.belief.id, onclick: async () => {
        await this.believe();
        this.belief.scrollIntoView({ block: "nearest" });
      },
    }, icon("scale"), h("span", {}, "Can I believe this map?"));
    return h("div", { class: "result-actions" },
      this.opener,
      this.doubter,
      h("a", { class: "button", href: againHref(document, picture) }, icon("again"),
        h("span", {}, "Run again", h("span", { class: "long" }, " with other settings"))),
      copy,
      h("details", { class: "menu" },
        h("summary", { class: "button" }, icon("down"), "Export"),
        h("ul", {},
          maps.length > 0 && mapItem("PNG", "the map over the picture", ""),
          maps.length > 0 && mapItem("PNG with color bar", "ready for a paper", "&bar=1"),
          strip && item("PNG", "the filmstrip", `format=png&panel=${encodeURIComponent(strip.id)}`),
          channels && item("PNG", "the first channels side by side", `format=png&panel=${encodeURIComponent(channels.id)}`),
          panels.filter(({ kind }) => ["graph", "drawing", "curve", "surface"].includes(kind)).map(({ id, kind, title }) => [
            item("SVG", title, `format=svg&panel=${encodeURIComponent(id)}`),
            kind === "graph" && item("DOT", `${title}, for Graphviz`, `format=dot&panel=${encodeURIComponent(id)}`),
            kind === "graph" && item("TeX", `${title}, for LaTeX`, `format=tex&panel=${encodeURIComponent(id)}`),
          ]).flat(),
          item("NPZ", "the raw numbers", "format=npz"),
          item("JSON", "every choice that was made", "format=json"),
          item("ZIP", "all of it", "format=zip"))));
  }

  /** @returns {string} the map that the address says; "" for none */
  chosen() {
    return this.place === null ? "" : chosenMap(this.place);
  }

  /** Opens or closes the what-if brush; where there is none says why. */
  async paint() {
    const { result, brush, opener } = this;
    if (!result || !opener) return;
    const { frames } = result.document.model;
    if (brush.firstChild) fill(brush);
    else if (frames) {
      const sentence = `The brush paints still pictures; this model reads clips of ${frames} frames.`;
      fill(brush, h("p", { class: "result-note" }, sentence));
      announce(sentence);
    } else {
      opener.disabled = true;
      try {
        const { PicassoWhatIf } = await import("./what-if.js");
        fill(brush, new PicassoWhatIf(result));
      } catch (error) {
        fill(brush, problem(error));
      }
      opener.disabled = false;
    }
    opener.setAttribute("aria-expanded", String(Boolean(brush.firstChild)));
  }

  /** Opens or closes the scorecard of the map. */
  async believe() {
    const { result, belief, doubter } = this;
    if (!result || !doubter) return;
    if (belief.firstChild) fill(belief);
    else {
      try {
        const { PicassoBelieve } = await import("./believe.js");
        fill(belief, new PicassoBelieve(result));
      } catch (error) {
        fill(belief, problem(error));
      }
    }
    doubter.setAttribute("aria-expanded", String(Boolean(belief.firstChild)));
  }

  /** Says anew what is known of the map: it was tested just now. */
  async retest() {
    if (!this.result) return;
    try {
      const { document } = await get(`/results/${encodeURIComponent(this.result.key)}`);
      fill(this.tested, testedLine(document));
      if (document.tested?.standing === "warned") announce(document.tested.sentence);
    } catch (error) {
      fill(this.tested, problem(error));
    }
  }

  /** @returns {import("../panels/class-list.js").ClassListing | null} */
  listing() {
    if (!this.result) return null;
    const { document, picture } = this.result;
    if (!picture) return null;
    return {
      predictions: document.predictions ?? [],
      scores: document.model.head === "none",
      classes: this.result.classes,
      explainHref: (label) => againHref(document, picture, label),
    };
  }

  drawPanels() {
    this.dispatchEvent(new CustomEvent("panels", { bubbles: true }));
    this.groups.show(this.panels.values());
  }

  /** @returns {import("../types.js").PanelContext} */
  context() {
    const { picture, title, model, channel = null } = this.heading;
    const fail = (/** @type {unknown} */ error) => {
      // While panels are coming, the numbers of a replaced one may be gone before they are fetched; the next is here soon.
      if (this.dataset.state !== "coming") fill(this.state, problem(error));
    };
    return { picture, title, model, channel, chosen: this.chosen(), listing: () => this.listing(), fail };
  }
}

/**
 * @param {any} document
 * @returns {HTMLElement | null} whether the map is known to depend on what the model has learned
 */
function testedLine({ tested }) {
  if (!tested) return null;
  const shape = { warned: "warn", passed: "check", untested: "question" }[/** @type {string} */ (tested.standing)];
  const words = tested.standing === "warned" ? tested.sentence
    : tested.standing === "passed" ? `This map ${tested.sentence}.` : `This map is ${tested.sentence}.`;
  return h("p", { class: "tested", "data-standing": tested.standing }, icon(/** @type {any} */ (shape)), h("span", {}, words));
}

/**
 * @param {any} document
 * @param {Picture | null} picture
 * @param {string} [target] another class than before
 * @returns {string} the page that runs it, with the same choices
 */
function againHref(document, picture, target) {
  if (!picture) return networkHref({ model: document.model.name, view: document.visualization.name, settings: document.settings });
  const query = new URLSearchParams({
    model: document.model.name, picture: picture.digest, visualization: document.visualization.name,
    settings: JSON.stringify(document.settings ?? {}),
  });
  const explained = (document.targets ?? []).map((/** @type {any} */ one) => one.label);
  const best = (document.predictions ?? []).slice(0, explained.length).map((/** @type {any} */ one) => one.label);
  if (document.at) query.set("at", document.at);
  if (target) query.set("target", target);
  else if (explained.join("\n") === best.join("\n")) query.set("top", String(explained.length));
  else for (const label of explained) query.append("target", label);
  return `/explain?${query}`;
}

/**
 * @param {HTMLElement} button
 * @param {string} path
 */
async function copyLink(button, path) {
  const label = /** @type {HTMLElement} */ (button.querySelector("span"));
  const address = new URL(path, location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    label.textContent = "Copied";
  } catch {
    label.textContent = address;
  }
  announce(label.textContent ?? "");
  setTimeout(() => (label.textContent = "Copy link"), 2500);
}

customElements.define("picasso-result", PicassoResult);
