/** What is explained: the best classes, or chosen ones, "a - b" the difference of two; or a channel of a layer. */

import { fill, focusOn, freshId, h, icon } from "../dom.js";

const FEW = 6;
const EDGES = ["left", "top", "right", "bottom"];
const SHOWN = 40;

/** How the place in a layer's map is written at which a channel is largest. */
const LARGEST = "@max";
const CHANNEL = /^channel=(.+):(\d+)((?:@\d+,\d+|@max)?)$/;

/** @typedef {{value: number | string, label: string}} Choice */
/** @typedef {import("../types.js").Layer} Layer */

/** Events: "change". */
export class TargetPicker extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    this.place = place;
    /** @type {string[]} */
    this.labels = [];
    /** What may be chosen besides them: the edges of a detector's box. */
    this.edges = /** @type {string[]} */ ([]);
    this.mode = "best";
    this.top = 5;
    /** What is counted, and how many of them there may be. */
    this.noun = "class";
    this.most = 20;
    /** @type {Choice[]} */
    this.chosen = [];
    /** @type {Layer[]} whose channels can be explained */
    this.layers = [];
    /** The channel, and behind it the place in the layer's map that an address may give. */
    this.channel = { layer: "", number: 0, place: "" };
    this.message = h("p", { class: "field-error", role: "alert", hidden: true });
  }

  /**
   * @param {string[]} labels the model's classes
   * @param {boolean} offered whether the visualization explains classes
   * @param {string} task what the model answers: a detector may find more things than it has classes
   * @param {boolean} placed whether one place is asked about: there a detector says its classes and a box's edges
   * @param {Layer[]} layers whose channels can be explained
   * @param {string | null} layer the one that is offered first
   */
  show(labels, offered, task, placed, layers, layer) {
    const detections = task === "detection" && !placed;
    const edges = task === "detection" && placed ? EDGES : [];
    const before = [...this.labels, ...this.edges].join("\0");
    const other = [...labels, ...edges].join("\0") !== before;
    const sameLayers = layers.map((one) => one.name).join("\0") === this.layers.map((one) => one.name).join("\0");
    this.layers = layers;
    if (labels.length && !layers.length && this.mode === "channel") this.mode = "best";
    if (layers.length && !layers.some((one) => one.name === this.channel.layer)) {
      this.channel = { layer: layer ?? layers[layers.length - 1].name, number: 0, place: "" };
    }
    if (!other && sameLayers && this.noun === (detections ? "detection" : "class") && this.place.hidden !== (offered && labels.length > 0)) return;
    this.noun = detections ? "detection" : "class";
    this.most = detections ? 20 : Math.min(20, labels.length || 20);
    this.labels = labels;
    this.edges = edges;
    if (other) this.chosen = this.chosen.filter((choice) => this.read(String(choice.label)));
    this.place.hidden = !offered || !labels.length;
    this.draw();
  }

  /** @returns {{target: (number | string)[] | null, top: number}} */
  value() {
    const chosen = this.mode === "chosen" && this.chosen.length ? this.chosen.map((choice) => choice.value) : null;
    return { target: this.place.hidden ? null : chosen, top: this.top };
  }

  /** @returns {string | null} the channel that is explained, as a place is written */
  at() {
    const { layer, number, place } = this.channel;
    return this.ofChannel() ? `channel=${layer}:${number}${place}` : null;
  }

  ofChannel() {
    return !this.place.hidden && this.mode === "channel" && this.layers.length > 0;
  }

  /** @returns {string} "the 5 best classes" */
  words() {
    if (this.place.hidden) return "";
    if (this.ofChannel()) {
      const { layer, number, place } = this.channel;
      return `channel ${number} of ${layer}${place === LARGEST ? " where it is largest" : ""}`;
    }
    if (this.mode === "chosen" && this.chosen.length) {
      const names = this.chosen.map((choice) => choice.label);
      return names.length > 3 ? `${names.length} chosen classes` : names.join(" and ");
    }
    if (this.noun === "detection") return this.top === 1 ? "the best detection" : `the ${this.top} best detections`;
    const count = Math.min(this.top, this.labels.length);
    if (this.labels.length === 1) return this.labels[0];
    if (count === this.labels.length) return count === 2 ? "both classes" : `all ${count} classes`;
    return count === 1 ? "the best class" : `the ${count} best classes`;
  }

  /**
   * @param {(number | string)[] | null} target
   * @param {number} [top]
   * @param {string} [at] a channel, as a place is written
   */
  set(target, top = this.top, at = "") {
    const [, layer, number, place] = CHANNEL.exec(at) ?? [];
    this.top = top;
    this.mode = layer ? "channel" : target?.length ? "chosen" : "best";
    if (layer) this.channel = { layer, number: Number(number), place };
    this.chosen = (target ?? []).map((value) =>
      ({ value, label: typeof value === "number" ? this.labels[value] ?? String(value) : value }));
    this.draw();
  }

  /** @param {string} message */
  error(message) {
    this.message.textContent = message;
    this.message.hidden = !message;
  }

  #changed() {
    this.error("");
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    const name = freshId("target");
    const mode = (/** @type {string} */ value, /** @type {string} */ label) =>
      h("label", {}, h("input", {
        type: "radio", name, value, props: { checked: this.mode === value }, onchange: () => {
          this.mode = value;
          this.draw();
          focusOn(this.place, `input[value="${value}"]`);
          this.#changed();
        },
      }), h("span", {}, label));
    fill(this.place, h("div", { class: "targets" },
      h("span", { class: "field-title", id: `${name}-title` }, "Explain"),
      h("span", { class: "segmented", role: "radiogroup", "aria-labelledby": `${name}-title` },
        mode("best", this.noun === "detection" ? "Best detections" : "Best classes"), mode("chosen", "Chosen classes"),
        this.layers.length > 0 && mode("channel", "A channel")),
      this.ofChannel() ? this.channels() : this.mode !== "chosen" ? this.best() : this.labels.length <= FEW ? this.few() : this.search(),
      this.message));
  }

  best() {
    const { most } = this;
    if (most === 1) return null;
    const input = h("input", {
      type: "number", min: 1, max: most, step: 1, value: Math.min(this.top, most), "aria-label": `How many of the best ${this.noun === "detection" ? "detections" : "classes"}`,
      class: "short", onchange: () => {
        this.top = Math.max(1, Math.min(most, Math.round(Number(input.value)) || 1));
        input.value = String(this.top);
        this.#changed();
      },
    });
    return input;
  }

  /** A layer, one of its channels, and where in its map. */
  channels() {
    const chosen = () => this.layers.find((one) => one.name === this.channel.layer);
    const count = () => chosen()?.shape.at(-1) ?? 1;
    // A place belongs to the channel that an address gave it for; where it is largest is asked of any with space.
    const kept = () => (this.channel.place === LARGEST && chosen()?.spatial ? LARGEST : "");
    const where = h("select", {
      "aria-label": "Where in its map", onchange: () => {
        this.channel = { ...this.channel, place: where.value };
        this.#changed();
      },
    });
    const offer = () => {
      const { place } = this.channel;
      const places = [["", "its mean"], [LARGEST, "where it is largest"]];
      if (place && place !== LARGEST) places.push([place, `at row ${place.slice(1).replace(",", ", column ")}`]);
      fill(where, places.map(([value, words]) => h("option", { value }, words)));
      where.value = place;
      where.hidden = !chosen()?.spatial;
    };
    const layer = h("select", {
      "aria-label": "Layer", class: "layer", onchange: () => {
        this.channel = { ...this.channel, layer: layer.value };
        this.channel.place = kept();
        offer();
        number.max = String(count() - 1);
        this.channel.number = Math.min(this.channel.number, count() - 1);
        number.value = String(this.channel.number);
        this.#changed();
      },
    }, this.layers.map(({ name, shape }) => h("option", { value: name }, `${name}, ${shape.join(" \u00d7 ")}`)));
    layer.value = this.channel.layer;
    const number = h("input", {
      type: "number", min: 0, max: count() - 1, step: 1, value: this.channel.number, class: "short",
      "aria-label": "Channel, counted from 0", onchange: () => {
        const wanted = Math.round(Number(number.value)) || 0;
        this.channel = { ...this.channel, number: Math.max(0, Math.min(count() - 1, wanted)), place: kept() };
        offer();
        number.value = String(this.channel.number);
        this.#changed();
      },
    });
    offer();
    return h("div", { class: "channel" }, layer, number, where);
  }

  few() {
    const differences = this.labels.length <= 3
      ? this.labels.flatMap((a) => this.labels.filter((b) => a !== b).map((b) => `${a} - ${b}`))
      : [];
    return h("div", { class: "chips" }, [...this.labels, ...differences, ...this.edges].map((label) => {
      const on = this.chosen.some((choice) => choice.label === label);
      return h("button", {
        type: "button", class: "chip", "aria-pressed": String(on), "data-label": label, onclick: () => {
          if (on) this.chosen = this.chosen.filter((choice) => choice.label !== label);
          else this.chosen.push(/** @type {Choice} */ (this.read(label)));
          this.draw();
          focusOn(this.place, `[data-label="${CSS.escape(label)}"]`);
          this.#changed();
        },
      }, on && icon("check"), this.edges.includes(label) ? `${label} edge` : label.replace(" - ", " \u2212 "));
    }));
  }

  /**
   * @param {string} text a label, or "a - b"
   * @returns {Choice | null}
   */
  read(text) {
    const at = this.labels.indexOf(text);
    if (this.edges.includes(text)) return { value: text, label: text };
    if (at >= 0) {
      return this.labels.indexOf(text, at + 1) < 0 ? { value: text, label: text } : { value: at, label: text };
    }
    const cut = text.lastIndexOf(" - ");
    if (cut < 0) return null;
    const [a, b] = [text.slice(0, cut), text.slice(cut + 3)];
    return a !== b && this.labels.includes(a) && this.labels.includes(b) ? { value: text, label: text } : null;
  }

  search() {
    const id = freshId("classes");
    const options = h("ul", { role: "listbox", id, class: "options", hidden: true, "aria-label": "Classes" });
    const input = h("input", {
      type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list",
      "aria-label": "Find a class", placeholder: `Find one of ${this.labels.length} classes, or write a - b`, autocomplete: "off",
    });
    let active = -1;
    /** @type {string[]} */
    let found = [];
    const close = () => {
      options.hidden = true;
      active = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const take = (/** @type {string} */ text) => {
      const choice = this.read(text);
      if (!choice) return;
      if (!this.chosen.some((one) => one.label === choice.label)) this.chosen.push(choice);
      this.draw();
      focusOn(this.place, "[role=combobox]");
      this.#changed();
    };
    const mark = () => {
      [...options.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
      const marked = options.children[active];
      if (marked) {
        input.setAttribute("aria-activedescendant", marked.id);
        marked.scrollIntoView({ block: "nearest" });
      } else input.removeAttribute("aria-activedescendant");
    };
    const open = () => {
      found = this.suggestions(input.value);
      active = found.length && input.value ? 0 : -1;
      fill(options, found.map((label, i) => h("li", {
        role: "option", id: `${id}-${i}`, "aria-selected": "false",
        onpointerdown: (/** @type {Event} */ event) => {
          event.preventDefault();
          take(label);
        },
      }, label)));
      options.hidden = !found.length;
      input.setAttribute("aria-expanded", String(!options.hidden));
      mark();
    };
    input.addEventListener("input", open);
    input.addEventListener("focus", open);
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (options.hidden) open();
        active = (active + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(1, found.length);
        mark();
      } else if (event.key === "Enter") {
        event.preventDefault();
        take(found[active] ?? input.value.trim());
      } else if (event.key === "Escape" && !options.hidden) {
        event.preventDefault();
        event.stopPropagation();
        close();
      } else if (event.key === "Backspace" && !input.value && this.chosen.length) {
        this.chosen.pop();
        this.draw();
        focusOn(this.place, "[role=combobox]");
        this.#changed();
      }
    });
    return h("div", { class: "class-search" },
      h("div", { class: "chips" }, this.chosen.map((choice) => h("button", {
        type: "button", class: "chip", "aria-label": `Remove ${choice.label}`, onclick: () => {
          this.chosen = this.chosen.filter((one) => one !== choice);
          this.draw();
          this.#changed();
        },
      }, choice.label.replace(" - ", " \u2212 "), icon("close")))),
      h("div", { class: "combobox" }, input, options));
  }

  /** @param {string} text */
  suggestions(text) {
    const cut = text.lastIndexOf(" - ");
    const first = cut > 0 ? text.slice(0, cut) : "";
    const difference = first && this.labels.includes(first);
    const wanted = (difference ? text.slice(cut + 3) : text).trim().toLowerCase();
    const offered = difference ? this.labels : [...this.labels, ...this.edges];
    const labels = offered.filter((label) => label !== first && label.toLowerCase().includes(wanted));
    labels.sort((a, b) => Number(b.toLowerCase().startsWith(wanted)) - Number(a.toLowerCase().startsWith(wanted)));
    return labels.slice(0, SHOWN).map((label) => (difference ? `${first} - ${label}` : label));
  }
}
