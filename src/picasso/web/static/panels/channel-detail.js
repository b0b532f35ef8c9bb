/** One channel or kernel of a layer, large, with what is known of it; over the picture where there is one. */

import { grayed } from "../colors.js";
import { fill, h } from "../dom.js";
import { number, steady } from "../format.js";
import { display } from "./display.js";
import { Pane } from "./pane.js";
import { zoomControls } from "./toolbar.js";
import { Viewport } from "./viewport.js";

/**
 * @typedef {object} Shown
 * @property {number} channel
 * @property {string} noun what it is one of: "channel"
 * @property {boolean} three whether each place has three values: red, green and blue
 * @property {ArrayLike<number>} values
 * @property {number} rows
 * @property {number} columns
 * @property {import("../colors.js").Colored} colored
 * @property {HTMLCanvasElement | null} picture what the model saw
 * @property {string | null} inside the address of the channel on the network page; null where it has none
 * @property {[string, number, string][]} facts titles, values and units of its measures
 */

export class ChannelDetail {
  constructor() {
    this.viewport = new Viewport(1, 1);
    this.pane = new Pane(this.viewport, "Channel");
    this.title = h("h4", {});
    this.value = h("output", { class: "pane-value" });
    this.facts = h("dl", { class: "channel-facts" });
    this.inside = h("a", { class: "small" }, "What this channel wants, and which pixels made it fire");
    this.more = h("p", {}, this.inside);
    this.strength = h("input", {
      type: "range", min: 0, max: 100, step: 1, class: "slider",
      oninput: () => display.set({ opacity: Number(this.strength.value) / 100 }),
    });
    this.strong = h("label", { class: "opacity" }, h("span", {}, "Map strength"), this.strength);
    this.element = h("div", { class: "channel-detail" },
      h("div", { class: "pane-head" }, this.title, this.value), this.pane.element,
      h("div", { class: "toolbar" }, this.strong, zoomControls(this.viewport)),
      this.facts, this.more);
    /** @type {Shown | null} */
    this.shown = null;
    this.viewport.addEventListener("cursor", () => this.read());
    this.onStrength = () => this.strengthen();
    display.addEventListener("strength", this.onStrength);
    display.addEventListener("change", this.onStrength);
  }

  strengthen() {
    this.strength.value = String(Math.round(display.opacity * 100));
    this.pane.strengthen(display.opacity);
  }

  /** @param {Shown} shown */
  show(shown) {
    this.shown = shown;
    const { channel, noun, values, picture, colored, facts, inside } = shown;
    this.more.hidden = inside === null;
    if (inside) this.inside.href = inside;
    const { width, height } = picture ?? colored.colors;
    this.viewport.resize(width, height);
    this.element.style.setProperty("--aspect", String(width / height));
    this.title.textContent = `${noun[0].toUpperCase()}${noun.slice(1)} ${channel}`;
    this.pane.name(picture ? `${this.title.textContent} over the picture` : this.title.textContent);
    if (picture) this.pane.show({ base: grayed(picture), map: colored, opacity: display.opacity });
    else this.pane.show({ base: colored.colors });
    this.strong.hidden = !picture;
    this.strengthen();
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < values.length; i += 1) {
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    this.scale = Math.max(Math.abs(low), Math.abs(high));
    fill(this.facts,
      fact("Values", `${number(low)} to ${number(high)}`),
      this.scale === 0 && fact("Dead", picture ? "zero everywhere in this picture" : "zero everywhere"),
      facts.map(([title, value, units]) =>
        fact(title, Number.isFinite(value) ? number(value) : "not known", Number.isFinite(value) ? units : "")));
    this.read();
  }

  /** Gives the memory of what is drawn back. */
  release() {
    this.shown = null;
    this.pane.release();
  }

  /** Shows the value under the cursor. */
  read() {
    const { cursor, width, height } = this.viewport;
    if (!this.shown || !cursor) {
      this.value.textContent = "";
      return;
    }
    const { values, rows, columns, three } = this.shown;
    const row = Math.floor(((cursor.y + 0.5) * rows) / height);
    const column = Math.floor(((cursor.x + 0.5) * columns) / width);
    const place = row * columns + column;
    const here = three ? [0, 1, 2].map((color) => values[3 * place + color]) : [values[place]];
    this.value.textContent = `row ${row}, column ${column}: ${here.map((one) => steady(one, this.scale ?? 1)).join(", ")}`;
  }

  close() {
    display.removeEventListener("strength", this.onStrength);
    display.removeEventListener("change", this.onStrength);
  }
}

/**
 * @param {string} title
 * @param {string} value
 * @param {string} [units]
 */
function fact(title, value, units = "") {
  return h("div", {}, h("dt", {}, title), h("dd", {}, value, units && h("span", { class: "muted" }, ` ${units}`)));
}
