/** Groups of small pictures out of many; each opens large, and leads to its explanation. */

import { fill, h } from "../dom.js";
import { networkHref, readNetwork } from "../parts/network-address.js";
import { Atlas } from "./atlas.js";
import { each } from "./common.js";
import { explainButton, openTile, tileList } from "./tiles.js";

export const kind = "gallery";

/** @typedef {import("../types.js").GalleryWire} GalleryWire */

/**
 * @param {GalleryWire[]} panels
 * @param {import("../types.js").PanelContext} context
 */
export function mount(panels, context) {
  return each(panels, kind, (panel) => gallery(panel, context));
}

/**
 * @param {GalleryWire} panel
 * @param {import("../types.js").PanelContext} context
 */
function gallery(panel, context) {
  const { groups, aspect, album } = panel;
  const whole = h("input", { type: "checkbox", role: "switch", onchange: () => draw() });
  const body = h("div", { class: "gallery-groups" });
  /** @type {import("./tiles.js").Sheets | undefined} */
  let sheets;
  const choose = (/** @type {import("./tiles.js").Tile} */ tile) => openTile(tile, /** @type {any} */ (sheets),
    album ? explainButton({ model: context.model, album, names: [tile.name] }) : null);
  function draw() {
    if (!sheets) return;
    const drawn = sheets;
    fill(body, groups.map(({ title, caption, unit, tiles }) => h("section", { class: "gallery-group" },
      h("h4", {}, unit ? h("a", { href: unitHref(unit) }, title) : title),
      caption && h("p", { class: "muted small" }, caption),
      tileList(tiles, drawn, { whole: whole.checked, choose }))));
    body.dataset.ready = "yes";
  }
  /** @param {string} unit "conv5:37" */
  function unitHref(unit) {
    const place = unit.lastIndexOf(":");
    // On the network page the view stays, with its settings: it is looked at one channel closer.
    const here = location.pathname === "/network" ? readNetwork() : {};
    return networkHref({ ...here, model: context.model, layer: unit.slice(0, place), channel: Number(unit.slice(place + 1)) });
  }
  Promise.all([Atlas.load(panel.atlas), panel.wholes && Atlas.load(panel.wholes)]).then(([atlas, wholes]) => {
    sheets = { atlas, wholes, aspect };
    draw();
  }, context.fail);
  return h("div", { class: "gallery" },
    panel.wholes && h("div", { class: "toolbar" }, h("label", { class: "switch" }, whole, h("span", {}, "Whole pictures, the part marked"))), body);
}
