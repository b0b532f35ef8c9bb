/** Which visualizations look at the model, a layer, a channel or a class, and how each is asked. */

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */
/** @typedef {Pick<import("./network-address.js").NetworkState, "layer" | "channel" | "label">} Chosen */
/** @typedef {"model" | "layer" | "channel" | "class"} Level */

/** Of the methods that find which pixels made a channel fire, those that are offered at once. */
const PIXELS = ["guided-backpropagation", "deconvnet", "saliency-map"];
/** The order of the views that a reader is likely to want first; others follow. */
const FIRST = ["architecture", "activations", "feature-visualization", "top-examples", "filters", "inversion", ...PIXELS];

/**
 * @param {Chosen} chosen
 * @returns {Level}
 */
export function levelOf({ layer, channel, label }) {
  if (label) return "class";
  if (!layer) return "model";
  return channel === null ? "layer" : "channel";
}

/**
 * What a visualization's settings say they are: "layers", "channels", "classes", "objective".
 *
 * @param {VisualizationInfo} view
 * @returns {Map<string, {name: string, several: boolean}>} the setting by what it takes
 */
export function slots(view) {
  /** @type {Map<string, {name: string, several: boolean}>} */
  const found = new Map();
  for (const [name, property] of Object.entries(view.schema?.properties ?? {})) {
    const choices = /** @type {any} */ (property).picasso?.choices;
    const several = Boolean(/** @type {any} */ (property).picasso?.several);
    if (choices) found.set(choices === "spatial-layers" ? "layers" : choices, { name, several });
  }
  return found;
}

/**
 * @param {VisualizationInfo} view
 * @param {Level} level
 */
function looksAt(view, level) {
  const has = slots(view);
  if (view.attributes) return level === "channel" && PIXELS.includes(view.name);
  if (level === "layer") return has.has("layers") || has.has("objective");
  // The maps of a layer's channels show one of them large.
  const maps = view.subject === "pictures" && has.get("layers")?.several === false;
  if (level === "channel") return has.has("channels") || has.has("objective") || maps;
  if (level === "class") return has.has("classes") || has.has("objective");
  return view.subject === "model" || Boolean(has.get("layers")?.several);
}

/**
 * @param {VisualizationInfo[]} known
 * @param {Chosen} chosen
 * @returns {VisualizationInfo[]} the views of what is chosen, in their order
 */
export function viewsOf(known, chosen) {
  const level = levelOf(chosen);
  const rank = (/** @type {VisualizationInfo} */ view) => (FIRST.indexOf(view.name) + 1 || FIRST.length + 1);
  return known.filter((view) => !view.error && looksAt(view, level)).sort((a, b) => rank(a) - rank(b));
}

/**
 * @param {VisualizationInfo} view
 * @param {Chosen} chosen
 * @param {{labels: string[], layers: {name: string}[]}} card
 * @returns {Record<string, any>} the settings that say what is looked at
 */
export function aim(view, chosen, { labels, layers }) {
  const { layer, channel, label } = chosen;
  const has = slots(view);
  /** @type {Record<string, any>} */
  const settings = {};
  const put = (/** @type {string} */ what, /** @type {any} */ value) => {
    const slot = has.get(what);
    if (slot && value !== "" && value !== null) settings[slot.name] = value;
  };
  put("layers", layer);
  put("channels", channel);
  // A class goes by its number: a label may hold what is read as a sign. One that is not there is refused by name.
  const number = labels.includes(label) ? String(labels.indexOf(label)) : label;
  put("classes", number);
  // A layer may be called "pool:2".
  const unit = `${layer}:${channel}`;
  put("objective", label ? `class:${number}` : channel === null ? layer
    : layers.some(({ name }) => name === unit) ? `${unit}..${channel}` : unit);
  return settings;
}

/**
 * @param {VisualizationInfo} view
 * @param {Chosen} chosen
 * @param {import("../types.js").Layer[]} layers
 * @returns {string | null} what an attribution method explains, as a place is written: the unit that fires most
 */
export function placeOf(view, { layer, channel }, layers) {
  if (!view.attributes || channel === null) return null;
  const spatial = layers.find(({ name }) => name === layer)?.spatial;
  return `channel=${layer}:${channel}${spatial ? "@max" : ""}`;
}

/**
 * @param {VisualizationInfo} view
 * @param {Chosen} chosen
 * @returns {any} the schema of what is left to choose
 */
export function freeSchema(view, chosen) {
  const taken = aim(view, chosen, { labels: [], layers: [] });
  const properties = Object.entries(view.schema?.properties ?? {}).filter(([name]) => !(name in taken));
  return { ...view.schema, properties: Object.fromEntries(properties) };
}
