/** Panels in their place: those of one scale as one figure, each other one by itself; what changes is redrawn alone. */

import { panelKind } from "./index.js";

/** @typedef {import("../types.js").Wire} Wire */
/** @typedef {import("../types.js").PanelView} PanelView */

export class PanelGroups {
  /**
   * @param {HTMLElement} place
   * @param {() => import("../types.js").PanelContext} context asked for whenever a figure is made
   */
  constructor(place, context) {
    this.place = place;
    this.context = context;
    /** @type {Map<string, PanelView>} what is drawn, by group */
    this.views = new Map();
  }

  /** @param {Iterable<Wire>} panels */
  show(panels) {
    /** @type {Map<string, Wire[]>} */
    const groups = new Map();
    for (const panel of panels) {
      const group = /** @type {any} */ (panel).group;
      const name = panel.kind === "heatmap" ? `heatmap:${group || panel.id}` : `${panel.kind}:${panel.id}`;
      groups.set(name, [...(groups.get(name) ?? []), panel]);
    }
    for (const [name, view] of this.views) {
      if (groups.has(name)) continue;
      view.close?.();
      view.element.remove();
      this.views.delete(name);
    }
    for (const [name, panels] of groups) {
      const view = this.views.get(name);
      if (view) view.update(panels);
      else this.mount(name, panels);
    }
  }

  /**
   * @param {string} name
   * @param {Wire[]} panels
   */
  mount(name, panels) {
    const view = panelKind(panels[0].kind).mount(panels, this.context());
    this.views.set(name, view);
    this.place.append(view.element);
  }

  close() {
    for (const view of this.views.values()) view.close?.();
  }
}
