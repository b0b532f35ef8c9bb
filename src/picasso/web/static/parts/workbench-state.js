/** What is chosen on the workbench: in the address, so that it can be shared and survives a reload. */

import { keepMaps } from "./map-address.js";

const KEY = "picasso.workbench";
const PICTURES_IN_ADDRESS = 6;

/**
 * @typedef {object} WorkbenchState
 * @property {string} model
 * @property {string[]} pictures digests
 * @property {string} visualization
 * @property {Record<string, Record<string, any>>} settings what differs from the defaults, by visualization
 * @property {(number | string)[] | null} target
 * @property {number} top
 * @property {string} at where in the picture; "" for everywhere
 * @property {string} job
 */

/** @returns {WorkbenchState} */
export function readState() {
  const query = new URLSearchParams(location.search);
  const kept = stored();
  const fresh = ![...query.keys()].length;
  const visualization = query.get("visualization") ?? (fresh ? kept.visualization : "") ?? "";
  const settings = kept.settings ?? {};
  const given = parse(query.get("settings"));
  // An address that this page has written says all that differs from the defaults.
  if (visualization && (given || history.state?.pictures)) settings[visualization] = given ?? {};
  const targets = query.getAll("target").map((one) => (/^\d+$/.test(one) ? Number(one) : one));
  return {
    model: query.get("model") ?? (fresh ? kept.model : "") ?? "",
    pictures: query.has("pictures") ? history.state?.pictures ?? kept.pictures ?? []
      : fresh ? kept.pictures ?? [] : query.getAll("picture"),
    visualization,
    settings,
    target: targets.length ? targets : null,
    top: Number(query.get("top")) || 5,
    at: query.get("at") ?? "",
    job: query.get("job") ?? "",
  };
}

/**
 * @param {WorkbenchState} state
 * @param {boolean} [step] whether the browser's Back leads to what was there before
 */
export function writeState(state, step = false) {
  const query = new URLSearchParams();
  const settings = state.settings[state.visualization] ?? {};
  if (state.model) query.set("model", state.model);
  if (state.pictures.length > PICTURES_IN_ADDRESS) query.set("pictures", String(state.pictures.length));
  else for (const digest of state.pictures) query.append("picture", digest);
  if (state.visualization) query.set("visualization", state.visualization);
  if (Object.keys(settings).length) query.set("settings", JSON.stringify(settings));
  for (const target of state.target ?? []) query.append("target", String(target));
  if (state.top !== 5) query.set("top", String(state.top));
  if (state.at) query.set("at", state.at);
  if (state.job) {
    query.set("job", state.job);
    keepMaps(query);
  }
  const { pictures } = state;
  history[step ? "pushState" : "replaceState"]({ pictures }, "", `${location.pathname}?${query}`);
  try {
    const { model, visualization } = state;
    sessionStorage.setItem(KEY, JSON.stringify({ model, pictures, visualization, settings: state.settings }));
  } catch {
    // Storage is blocked: the address alone keeps the choices.
  }
}

/** @returns {Partial<WorkbenchState>} */
function stored() {
  try {
    return parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** @param {string | null} text */
function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
