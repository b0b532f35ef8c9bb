/** The network as boxes and arcs: blocks open and close, a search finds layers, and a click chooses one. */

import { announce, fill, freshId, h, icon } from "../dom.js";
import { percent, plural, prose } from "../format.js";
import { drawBox, s, sized } from "./graph-boxes.js";
import { HEAD, TIP, WHOLE, bent, isBlock, isSmall, place, within } from "./graph-places.js";

export const kind = "graph";
const LEAST = 0.1;
const MOST = 3;
const STEP = 1.25;
/** How far a pointer moves before a press is a drag, in pixels. */
const SLACK = 4;

/** @typedef {import("../types.js").GraphWire} GraphWire */
/** @typedef {import("../types.js").GraphBox} GraphBox */

/** @param {GraphWire[]} panels */
export function mount(panels) {
  const view = new GraphView();
  view.update(panels);
  return view;
}

class GraphView {
  constructor() {
    this.prefix = freshId("graph");
    this.zoom = 1;
    /** @type {GraphBox[]} */
    this.boxes = [];
    /** @type {Set<number>} */
    this.opened = new Set();
    /** @type {number[]} what is seen, from top to bottom */
    this.seen = [];
    this.active = 0;
    /** @type {number | null} */
    this.chosen = null;
    this.totals = { parameters: 0, work: 0 };
    /** @type {number[]} */
    this.matches = [];
    this.match = 0;
    this.heading = h("h3", {});
    this.caption = h("p", { class: "caption" });
    this.notes = h("ul", { class: "graph-notes" });
    this.key = h("ul", { class: "graph-key", "aria-label": "What the colors mean" });
    this.facts = h("p", { class: "graph-facts" });
    this.count = h("output", { class: "graph-count" });
    this.search = h("input", {
      type: "search", placeholder: "Name or kind", "aria-label": "Find a layer by name or kind", autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.find(this.search.value),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        this.show(this.match + (event.shiftKey ? -1 : 1));
      },
    });
    const button = (/** @type {string} */ name, /** @type {Parameters<typeof icon>[0]} */ shape, /** @type {() => void} */ act) =>
      h("button", { type: "button", class: "icon-only", "aria-label": name, title: name, onclick: act }, icon(shape));
    this.all = h("button", { type: "button", onclick: () => this.openAll(true) }, "Open all");
    this.none = h("button", { type: "button", onclick: () => this.openAll(false) }, "Close all");
    this.stage = s("svg", { role: "presentation" });
    this.view = h("div", { class: "graph-view", role: "tree", tabindex: "0" });
    this.view.append(this.stage);
    this.element = h("section", { class: "plain-panel graph", "data-kind": kind },
      this.heading,
      h("div", { class: "graph-tools" },
        h("div", { class: "graph-search", role: "search" }, this.search, this.count),
        h("div", { class: "graph-buttons" }, this.all, this.none,
          button("Zoom out", "minus", () => this.zoomTo(this.zoom / STEP)),
          button("Zoom in", "plus", () => this.zoomTo(this.zoom * STEP)),
          button("Fit the width", "fit", () => this.fit()))),
      this.key, this.view, this.facts, this.notes, this.caption);
    this.view.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.pressed(event));
    this.view.addEventListener("wheel", (/** @type {WheelEvent} */ event) => this.wheel(event), { passive: false });
    this.view.addEventListener("click", (/** @type {MouseEvent} */ event) => this.clicked(event));
    this.view.addEventListener("pointerover", (/** @type {PointerEvent} */ event) => this.tell(this.under(event)));
    this.view.addEventListener("pointerleave", () => this.tell(null));
    this.view.addEventListener("scroll", () => this.paint());
    this.view.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.grab(event));
    this.fitted = false;
    /** From where to where it is drawn, in points of the diagram. */
    this.painted = [0, 0];
    this.observer = new ResizeObserver(() => {
      this.begin();
      this.paint();
    });
    this.observer.observe(this.view);
  }

  /** @param {GraphWire[]} panels */
  update([panel]) {
    const before = this.panel;
    this.panel = panel;
    this.boxes = panel.boxes;
    this.inside = within(panel.boxes);
    this.element.dataset.panel = panel.id;
    this.heading.textContent = panel.title;
    this.caption.textContent = prose(panel.caption);
    this.view.setAttribute("aria-label", `${panel.title}: ${plural(panel.boxes.length, "box", "boxes")}`);
    fill(this.notes, panel.notes.map((note) => h("li", {}, note)));
    const roots = panel.boxes.filter((box) => box.parent === WHOLE);
    this.totals = {
      parameters: panel.elsewhere + roots.reduce((sum, box) => sum + (box.parameters ?? 0), 0),
      work: roots.reduce((sum, box) => sum + (box.multiply_adds ?? 0), 0),
    };
    const roles = [...new Set(panel.boxes.filter((box) => !isSmall(box)).map((box) => box.role))];
    fill(this.key, roles.map((role) => h("li", { "data-role": role }, h("i", {}), role)),
      this.totals.parameters > 0 && h("li", { class: "of-parameters" }, h("i", {}), "share of the parameters"),
      this.totals.work > 0 && h("li", { class: "of-work" }, h("i", {}), "share of the multiplications"));
    const blocks = panel.boxes.some(isBlock);
    this.all.hidden = this.none.hidden = !blocks;
    if (!before || before.boxes.length !== panel.boxes.length) {
      this.opened = new Set(panel.boxes.flatMap((box, number) => (box.opened ? [number] : [])));
      this.chosen = null;
      this.active = 0;
    }
    this.draw();
    this.tell(null);
    this.begin();
    this.element.dataset.ready = panel.id;
  }

  /** Fits the width once there is one. */
  begin() {
    if (this.fitted || !this.view.clientWidth || !this.places) return;
    this.fitted = true;
    this.fit();
  }

  /** Lays everything out anew, and draws what is in view. */
  draw() {
    const { panel } = this;
    if (!panel) return;
    this.places = place(panel.boxes, panel.arcs, this.opened);
    this.seen = [...this.places.boxes.keys()];
    if (!this.places.boxes.has(this.active)) this.active = this.visible(this.active);
    this.stage.setAttribute("viewBox", `0 0 ${this.places.width} ${this.places.height}`);
    this.painted = [0, 0];
    this.scale();
    this.paint();
  }

  /** Draws what is in view, and as much again above and below; does nothing while that suffices. */
  paint() {
    const { panel, places } = this;
    if (!panel || !places) return;
    const high = Math.max(this.view.clientHeight, 200) / this.zoom;
    const top = this.view.scrollTop / this.zoom;
    if (this.painted[0] <= Math.max(0, top) && this.painted[1] >= Math.min(places.height, top + high)) return;
    this.painted = [top <= high ? 0 : top - high, top + 2 * high];
    const [first, last] = this.painted;
    const found = new Set(this.matches);
    const blocks = s("g", {});
    const boxes = s("g", {});
    for (const [number, one] of places.boxes) {
      if ((one.top > last || one.top + one.height < first) && number !== this.active) continue;
      const box = this.boxes[number];
      const drawn = drawBox(box, one, this.totals);
      drawn.setAttribute("id", `${this.prefix}-${number}`);
      drawn.setAttribute("data-number", String(number));
      drawn.setAttribute("data-role", box.role);
      drawn.setAttribute("data-name", box.name);
      drawn.setAttribute("class", `graph-box${found.has(number) ? " match" : ""}`);
      drawn.setAttribute("role", "treeitem");
      drawn.setAttribute("aria-level", String(this.depth(number) + 1));
      const beside = this.inside?.get(box.parent) ?? [];
      drawn.setAttribute("aria-posinset", String(beside.indexOf(number) + 1));
      drawn.setAttribute("aria-setsize", String(beside.length));
      if (isBlock(box)) drawn.setAttribute("aria-expanded", String(one.opened));
      if (one.opened) {
        const back = s("rect", {
          class: `graph-block depth-${this.depth(number) % 3}`, x: one.left, y: one.top, width: one.width,
          height: one.height, rx: 8,
        });
        blocks.append(back);
      }
      boxes.append(drawn);
    }
    const arcs = s("g", { class: "graph-arcs" });
    for (const { arc, points } of places.paths) {
      if (points[0][1] > last || points[points.length - 1][1] < first) continue;
      const { block, target } = panel.arcs[arc];
      arcs.append(s("path", { d: bent(points) }));
      const [x, y] = points[points.length - 1];
      if (target !== block) arcs.append(s("path", { class: "tip", d: `M${x - 3.5} ${y - TIP}h7L${x} ${y}Z` }));
    }
    this.stage.replaceChildren(blocks, arcs, boxes);
    this.mark();
  }

  /** @param {number} number */
  depth(number) {
    let depth = 0;
    for (let at = this.boxes[number].parent; at !== WHOLE; at = this.boxes[at].parent) depth += 1;
    return depth;
  }

  /**
   * @param {number} number
   * @returns {number} the box itself, or the closed block in which it lies
   */
  visible(number) {
    let shown = number;
    for (let at = number; at !== WHOLE && this.boxes[at]; at = this.boxes[at].parent) {
      if (at !== number && !this.opened.has(at)) shown = at;
    }
    return this.boxes[shown] ? shown : 0;
  }

  /** Shows where the cursor is and what is chosen. */
  mark() {
    for (const element of this.stage.querySelectorAll(".graph-box")) {
      const number = Number(element.getAttribute("data-number"));
      element.classList.toggle("active", number === this.active);
      element.classList.toggle("chosen", number === this.chosen);
      element.setAttribute("aria-selected", String(number === this.chosen));
    }
    this.view.setAttribute("aria-activedescendant", `${this.prefix}-${this.active}`);
  }

  /**
   * Says what is known of a box: the one under the pointer, or the one that is chosen.
   *
   * @param {number | null} hovered
   */
  tell(hovered) {
    const number = hovered ?? this.chosen;
    const box = number === null ? null : this.boxes[number];
    if (!box) {
      const more = this.boxes.some(isBlock) ? " Click a block to open or close it." : "";
      fill(this.facts, h("span", { class: "muted" }, `Point at a box to see its numbers.${more}`));
      return;
    }
    const part = (/** @type {number | null} */ value, /** @type {number} */ all, /** @type {string} */ what) =>
      value ? h("span", {}, `${value.toLocaleString("en-US")} ${what} (${percent(value / (all || 1))})`) : null;
    fill(this.facts, h("b", {}, box.name), h("span", {}, box.kind),
      box.steps > 1 && h("span", {}, plural(box.steps, "step")),
      box.shape.length > 0 && h("span", {}, `output ${sized(box.shape)}`),
      part(box.parameters, this.totals.parameters, "parameters"),
      part(box.multiply_adds, this.totals.work, "multiplications"));
  }

  /**
   * @param {Event} event
   * @returns {number | null}
   */
  under(event) {
    const element = /** @type {Element} */ (event.target).closest?.(".graph-box");
    return element ? Number(element.getAttribute("data-number")) : null;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const number = this.under(event);
    if (number === null || this.dragged) return;
    this.choose(number);
    if (isBlock(this.boxes[number])) this.toggle(number);
  }

  /**
   * Chooses a box, and says so to whoever listens, if it is one of the model's layers.
   *
   * @param {number} number
   */
  choose(number) {
    this.active = this.chosen = number;
    this.mark();
    this.tell(null);
    const { layer } = this.boxes[number];
    if (layer) this.element.dispatchEvent(new CustomEvent("layer-selected", { bubbles: true, detail: layer }));
  }

  /**
   * Opens or closes a block; it stays where it is on the screen.
   *
   * @param {number} number
   */
  toggle(number) {
    const before = this.places?.boxes.get(number);
    if (!this.opened.delete(number)) this.opened.add(number);
    this.draw();
    const after = this.places?.boxes.get(number);
    if (before && after) {
      this.view.scrollTop += (after.top - before.top) * this.zoom;
      this.view.scrollLeft += (after.left + after.width / 2 - before.left - before.width / 2) * this.zoom;
    }
    announce(`${this.boxes[number].label} ${this.opened.has(number) ? "open" : "closed"}`);
  }

  /** @param {boolean} open */
  openAll(open) {
    this.opened = new Set(open ? this.boxes.flatMap((box, number) => (isBlock(box) ? [number] : [])) : []);
    this.draw();
    this.center(this.active);
  }

  /**
   * Finds boxes whose name or kind holds what is written, and shows the first.
   *
   * @param {string} text
   */
  find(text) {
    const wanted = text.trim().toLowerCase();
    this.matches = wanted ? this.boxes.flatMap(({ name, kind: what }, number) =>
      (name.toLowerCase().includes(wanted) || what.toLowerCase().includes(wanted) ? [number] : [])) : [];
    if (this.matches.length) this.show(0);
    else {
      this.count.textContent = wanted ? "nothing found" : "";
      this.draw();
    }
  }

  /** @param {number} place which of those that were found */
  show(place) {
    const many = this.matches.length;
    if (!many) return;
    this.match = (place + many) % many;
    this.count.textContent = `${this.match + 1} of ${many}`;
    this.reveal(this.matches[this.match]);
  }

  /**
   * Opens the blocks around a box, and brings it into view.
   *
   * @param {number} number
   */
  reveal(number) {
    for (let at = this.boxes[number].parent; at !== WHOLE; at = this.boxes[at].parent) this.opened.add(at);
    this.active = number;
    this.draw();
    this.center(number);
    this.paint();
    this.tell(number);
  }

  /** @param {string} layer the layer that somebody else chose */
  select(layer) {
    const number = this.boxes.findIndex((box) => box.layer === layer);
    if (number < 0) return;
    this.chosen = number;
    this.reveal(number);
  }

  /** @param {number} number */
  center(number) {
    const one = this.places?.boxes.get(number);
    if (!one) return;
    const { clientWidth, clientHeight } = this.view;
    const height = one.opened ? HEAD : one.height;
    this.view.scrollTo(
      (one.left + one.width / 2) * this.zoom - clientWidth / 2 + this.stage.getBoundingClientRect().left
        - this.view.getBoundingClientRect().left + this.view.scrollLeft,
      (one.top + height / 2) * this.zoom - clientHeight / 2);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const box = this.boxes[this.active];
    const at = this.seen.indexOf(this.active);
    const open = this.opened.has(this.active);
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowDown: () => this.go(this.seen[Math.min(this.seen.length - 1, at + 1)]),
      ArrowUp: () => this.go(this.seen[Math.max(0, at - 1)]),
      ArrowRight: () => (!isBlock(box) ? undefined : open ? this.go(this.seen[at + 1]) : this.toggle(this.active)),
      ArrowLeft: () => (open ? this.toggle(this.active) : box.parent !== WHOLE && this.go(box.parent)),
      Home: () => this.go(this.seen[0]),
      End: () => this.go(this.seen[this.seen.length - 1]),
      Enter: () => this.enter(),
      " ": () => this.enter(),
      "+": () => this.zoomTo(this.zoom * STEP),
      "=": () => this.zoomTo(this.zoom * STEP),
      "-": () => this.zoomTo(this.zoom / STEP),
      0: () => this.fit(),
    };
    if (!box || !(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }

  /** Does what a click does. */
  enter() {
    this.choose(this.active);
    if (isBlock(this.boxes[this.active])) this.toggle(this.active);
  }

  /** @param {number} number */
  go(number) {
    this.active = number;
    this.center(number);
    this.paint();
    this.mark();
    this.tell(number);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls, and leaves the page its own
    event.preventDefault();
    this.zoomTo(this.zoom * Math.exp(-event.deltaY / 300), event);
  }

  /**
   * Zooms; what is under the pointer, else in the middle, stays there.
   *
   * @param {number} zoom
   * @param {{clientX: number, clientY: number}} [about]
   */
  zoomTo(zoom, about) {
    const next = Math.min(MOST, Math.max(LEAST, zoom));
    const view = this.view.getBoundingClientRect();
    const [x, y] = about ? [about.clientX, about.clientY] : [view.left + view.width / 2, view.top + view.height / 2];
    const before = this.stage.getBoundingClientRect();
    const [left, top] = [(x - before.left) / this.zoom, (y - before.top) / this.zoom];
    this.zoom = next;
    this.scale();
    const after = this.stage.getBoundingClientRect();
    this.view.scrollLeft += after.left + left * next - x;
    this.view.scrollTop += after.top + top * next - y;
  }

  /** Makes the whole width seen, but nothing larger than it is. */
  fit() {
    if (!this.places) return;
    this.zoom = Math.min(1, Math.max(LEAST, (this.view.clientWidth - 2) / this.places.width));
    this.scale();
  }

  scale() {
    if (!this.places) return;
    this.stage.setAttribute("width", String(this.places.width * this.zoom));
    this.stage.setAttribute("height", String(this.places.height * this.zoom));
    this.element.dataset.zoom = this.zoom.toFixed(3);
    this.paint();
  }

  /**
   * Lets a mouse drag the view; a finger scrolls it anyway.
   *
   * @param {PointerEvent} event
   */
  grab(event) {
    this.dragged = false;
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    const { scrollLeft, scrollTop } = this.view;
    const move = (/** @type {PointerEvent} */ next) => {
      const [x, y] = [next.clientX - event.clientX, next.clientY - event.clientY];
      if (!this.dragged && Math.hypot(x, y) < SLACK) return;
      this.dragged = true;
      this.view.classList.add("dragged");
      this.view.scrollTo(scrollLeft - x, scrollTop - y);
    };
    const drop = () => {
      removeEventListener("pointermove", move);
      this.view.classList.remove("dragged");
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", drop, { once: true });
    addEventListener("pointercancel", drop, { once: true });
  }

  close() {
    this.observer.disconnect();
  }
}
