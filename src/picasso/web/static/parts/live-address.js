/** The address of the live page: through which model and view a camera or a video is looked at. */

/**
 * @typedef {object} LiveState
 * @property {string} model
 * @property {string} view a visualization's name; "" for the usual one
 * @property {Record<string, any>} settings what differs from the view's defaults
 * @property {string} label the class that is explained; "" for the best one of each frame
 * @property {number | null} index which of the classes of that name, where there are several
 * @property {number | null} channel of a layer
 * @property {string} film the job that makes or made a film of the video; "" for none
 */

/** @returns {LiveState} */
export function readLive() {
  const query = new URLSearchParams(location.search);
  const whole = (/** @type {string} */ key) => (/^\d+$/.test(query.get(key) ?? "") ? Number(query.get(key)) : null);
  let settings = {};
  try {
    settings = JSON.parse(query.get("settings") ?? "{}") ?? {};
  } catch {
    // An address that was cut: the defaults are taken.
  }
  return {
    model: query.get("model") ?? "",
    view: query.get("view") ?? "",
    settings,
    label: query.get("class") ?? "",
    index: whole("index"),
    channel: whole("channel"),
    film: query.get("film") ?? "",
  };
}

/**
 * @param {Partial<LiveState> & {model: string}} state
 * @returns {string}
 */
export function liveHref({ model, view = "", settings = {}, label = "", index = null, channel = null, film = "" }) {
  const query = new URLSearchParams({ model });
  if (view) query.set("view", view);
  if (Object.keys(settings).length) query.set("settings", JSON.stringify(settings));
  if (label) query.set("class", label);
  if (index !== null) query.set("index", String(index));
  if (channel !== null) query.set("channel", String(channel));
  if (film) query.set("film", film);
  return `/live?${query}`;
}
