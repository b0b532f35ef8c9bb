/** A grid of small maps of which only those in view exist: thousands of channels stay fluid. */

import { h } from "../dom.js";

const GAP = 8;
const WORDS = 18;
const AHEAD = 2;

/**
 * A list in which one is the cursor, moved by keys, and one is chosen, by Enter or a click.
 *
 * Events: "choose" with the number of a channel.
 */
export class ChannelGrid {
  constructor() {
    this.inner = h("div", { class: "channel-inner", role: "presentation" });
    this.element = /** @type {HTMLElement} */ (h("div", {
      class: "channel-grid", role: "listbox", tabindex: "0",
      onscroll: () => this.draw(), onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }, this.inner));
    this.prefix = `channel-${Math.random().toString(36).slice(2, 8)}`;
    this.noun = "channel";
    /** @type {number[]} channels in their order */
    this.ranking = [];
    /** @type {(channel: number) => HTMLCanvasElement} */
    this.paint = () => document.createElement("canvas");
    /** Channel that the cursor is on, and that is shown large. */
    this.active = 0;
    this.chosen = 0;
    this.aspect = 1;
    this.columns = 1;
    /** @type {Map<number, HTMLElement>} what is in view, by channel */
    this.cells = new Map();
    this.frame = 0;
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.element);
  }

  /**
   * Says what it holds, for screen readers.
   *
   * @param {string} noun one of them: "channel"
   */
  name(noun) {
    this.noun = noun;
    this.element.setAttribute("aria-label", `All ${noun}s. Arrow keys move, Enter shows one large.`);
  }

  /**
   * @param {number[]} ranking channels in their order
   * @param {number} aspect width of a map by its height
   * @param {(channel: number) => HTMLCanvasElement} paint
   */
  show(ranking, aspect, paint) {
    const before = this.ranking;
    const moved = before.length > 0 && ranking.some((channel, i) => channel !== before[i]);
    Object.assign(this, { ranking, aspect, paint });
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    if (moved) this.element.scrollTop = 0;
    this.layout();
  }

  /** Lets go of everything that is drawn; the place in the list stays. */
  release() {
    this.ranking = [];
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this.element.removeAttribute("aria-activedescendant");
  }

  /** Finds how many maps fit side by side. */
  layout() {
    const width = this.inner.clientWidth;
    if (!width || !this.ranking.length) return;
    const side = width < 480 ? 58 : 76;
    this.mapWidth = Math.round(side * Math.min(1, this.aspect));
    this.mapHeight = Math.max(8, Math.round(side / Math.max(1, this.aspect)));
    this.columns = Math.max(1, Math.floor((width + GAP) / (Math.max(this.mapWidth, 34) + GAP)));
    this.stepX = (width + GAP) / this.columns;
    this.stepY = this.mapHeight + WORDS + GAP;
    this.inner.style.height = `${Math.ceil(this.ranking.length / this.columns) * this.stepY}px`;
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this.render();
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  /** Makes the maps that came into view, and lets go of those that left it. */
  render() {
    if (!this.stepY || !this.ranking.length) return;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.stepY) - AHEAD) * this.columns;
    const last = Math.min(this.ranking.length, (Math.ceil((scrollTop + clientHeight) / this.stepY) + AHEAD) * this.columns);
    const wanted = new Map(this.ranking.slice(first, last).map((channel, i) => [channel, first + i]));
    const place = this.ranking.indexOf(this.active);
    if (place >= 0) wanted.set(this.active, place); // what the cursor is on must exist for screen readers
    for (const [channel, cell] of this.cells) {
      if (wanted.has(channel)) continue;
      cell.remove();
      this.cells.delete(channel);
    }
    for (const [channel, rank] of wanted) {
      if (this.cells.has(channel)) continue;
      const cell = this.cell(channel, rank);
      this.cells.set(channel, cell);
      this.inner.append(cell);
    }
    this.mark();
  }

  /**
   * @param {number} channel
   * @param {number} rank
   * @returns {HTMLElement}
   */
  cell(channel, rank) {
    const canvas = this.paint(channel);
    canvas.style.width = `${this.mapWidth}px`;
    canvas.style.height = `${this.mapHeight}px`;
    canvas.setAttribute("aria-hidden", "true");
    const cell = h("div", {
      class: "channel-cell", role: "option", id: `${this.prefix}-${channel}`, "aria-posinset": rank + 1,
      "aria-setsize": this.ranking.length, "aria-label": `${this.noun} ${channel}`, "data-channel": channel,
      onclick: () => {
        this.active = channel;
        this.choose(channel);
      },
    }, canvas, h("span", { "aria-hidden": "true" }, channel));
    cell.style.transform = `translate(${(rank % this.columns) * this.stepX}px, ${Math.floor(rank / this.columns) * this.stepY}px)`;
    return cell;
  }

  /** Shows where the cursor is and what is chosen. */
  mark() {
    for (const [channel, cell] of this.cells) {
      cell.setAttribute("aria-selected", String(channel === this.chosen));
      cell.classList.toggle("active", channel === this.active);
    }
    this.element.setAttribute("aria-activedescendant", `${this.prefix}-${this.active}`);
  }

  /** @param {number} channel */
  choose(channel) {
    this.chosen = channel;
    this.mark();
    this.element.dispatchEvent(new CustomEvent("choose", { detail: channel }));
  }

  /**
   * Moves the cursor to a channel, and the view so that it is in it.
   *
   * @param {number} channel
   */
  go(channel) {
    const rank = this.ranking.indexOf(channel);
    if (rank < 0) return;
    this.active = channel;
    const top = Math.floor(rank / this.columns) * this.stepY;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.stepY > scrollTop + clientHeight) this.element.scrollTop = top + this.stepY - clientHeight;
    this.render();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rank = this.ranking.indexOf(this.active);
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.stepY)) * this.columns;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: rank - 1, ArrowRight: rank + 1, ArrowUp: rank - this.columns, ArrowDown: rank + this.columns,
      PageUp: rank - page, PageDown: rank + page, Home: 0, End: this.ranking.length - 1,
    };
    const chooses = event.key === "Enter" || event.key === " ";
    if (!chooses && !(event.key in steps)) return;
    event.preventDefault();
    if (chooses) this.choose(this.active);
    else this.go(this.ranking[Math.min(this.ranking.length - 1, Math.max(0, steps[event.key]))]);
  }

  close() {
    this.observer.disconnect();
  }
}
