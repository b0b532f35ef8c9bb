/** The address of the network page: what of a model is looked at, and through which view. */

/**
 * @typedef {object} NetworkState
 * @property {string} model
 * @property {string} layer "" for the model as a whole, or a class
 * @property {number | null} channel of the layer
 * @property {string} label a class; "" for none
 * @property {string} view a visualization's name; "" for the usual one
 * @property {Record<string, any>} settings what differs from the view's defaults
 * @property {string[]} pictures digests
 */

const PICTURES_IN_ADDRESS = 12;

/** @returns {NetworkState} */
export function readNetwork() {
  const query = new URLSearchParams(location.search);
  const channel = query.get("channel") ?? "";
  let settings = {};
  try {
    settings = JSON.parse(query.get("settings") ?? "{}") ?? {};
  } catch {
    // An address that was cut: the defaults are shown.
  }
  return {
    model: query.get("model") ?? "",
    layer: query.get("layer") ?? "",
    channel: query.get("layer") && /^\d+$/.test(channel) ? Number(channel) : null,
    label: query.get("class") ?? "",
    view: query.get("view") ?? "",
    settings,
    pictures: query.getAll("picture"),
  };
}

/**
 * @param {Partial<NetworkState> & {model: string}} state
 * @returns {string}
 */
export function networkHref({ model, layer = "", channel = null, label = "", view = "", settings = {}, pictures = [] }) {
  const query = new URLSearchParams({ model });
  if (layer) query.set("layer", layer);
  if (layer && channel !== null) query.set("channel", String(channel));
  if (label) query.set("class", label);
  if (view) query.set("view", view);
  if (Object.keys(settings).length) query.set("settings", JSON.stringify(settings));
  for (const digest of pictures.slice(0, PICTURES_IN_ADDRESS)) query.append("picture", digest);
  return `/network?${query}`;
}
