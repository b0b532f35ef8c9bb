/** The kinds of panels. A new kind is one module here, beside its Python. */

import * as bars from "./bars.js";
import * as curve from "./curve.js";
import * as drawing from "./drawing.js";
import * as featureMaps from "./feature-maps.js";
import * as gallery from "./gallery.js";
import * as graph from "./graph.js";
import * as heatmap from "./heatmap.js";
import * as images from "./images.js";
import * as matrix from "./matrix.js";
import * as scatter from "./scatter.js";
import * as series from "./series.js";
import * as surface from "./surface.js";
import * as template from "./template.js";
import * as text from "./text.js";

/** @type {Record<string, {kind: string, mount: (panels: any[], context: any) => import("../types.js").PanelView}>} */
const KINDS = Object.fromEntries(
  [
    bars, curve, drawing, featureMaps, gallery, graph, heatmap, images, matrix, scatter, series, surface, template, text,
  ].map((module) => [module.kind, module]));

/**
 * @param {string} kind
 */
export function panelKind(kind) {
  return KINDS[kind] ?? text;
}
