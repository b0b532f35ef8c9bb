/** One channel of a layer, large over the picture, with what is known of it. */

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
 * @property {ArrayLike<number>} values
 * @property {number} rows
 * @property {number} columns
 * @property {import("../colors.js").Colored} colored
 * @property {HTMLCanvasElement} picture what the model saw
 * @property {string} inside the address of the channel on the network page
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
    this.strength = h("input", {
      type: "range", min: 0, max: 100, step: 1, class: "slider",
      oninput: () => display.set({ opacity: Number(this.strength.value) / 100 }),
    });
    this.element = h("div", { class: "channel-detail" },
      h("div", { class: "pane-head" }, this.title, this.value), this.pane.element,
      h("div", { class: "toolbar" },
        h("label", { class: "opacity" }, h("span", {}, "Map strength"), this.strength), zoomControls(this.viewport)),
      this.facts, h("p", {}, this.inside));
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
    const { channel, values, picture, colored, facts, inside } = shown;
    this.inside.href = inside;
    this.viewport.resize(picture.width, picture.height);
    this.element.style.setProperty("--aspect", String(picture.width / picture.height));
    this.title.textContent = `Channel ${channel}`;
    this.pane.name(`Channel ${channel} over the picture`);
    this.pane.show({ base: grayed(picture), map: colored, opacity: display.opacity });
    this.strengthen();
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < values.length; i += 1) {
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    this.scale = Math.max(Math.abs(low), Math.abs(high));
    fill(this.facts,
      fact("Values", `${number(low)} to ${number(high)}`),
      this.scale === 0 && fact("Dead", "zero everywhere in this picture"),
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
    const { values, rows, columns } = this.shown;
    const row = Math.floor(((cursor.y + 0.5) * rows) / height);
    const column = Math.floor(((cursor.x + 0.5) * columns) / width);
    this.value.textContent = `row ${row}, column ${column}: ${steady(values[row * columns + column], this.scale ?? 1)}`;
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
