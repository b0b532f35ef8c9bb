/** /network: a model from inside; every layer, channel and class is a click away, at an address of its own. */

import { asApiError, follow, get, list, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { compact, plural } from "../format.js";
import { JobProgress } from "../parts/job-progress.js";
import { liveHref } from "../parts/live-address.js";
import { ModelList } from "../parts/model-list.js";
import { networkHref, readNetwork } from "../parts/network-address.js";
import { aim, freeSchema, levelOf, placeOf, viewsOf } from "../parts/network-views.js";
import { PartList } from "../parts/part-list.js";
import { PictureTray } from "../parts/picture-tray.js";
import { problem } from "../parts/problem.js";
import { PicassoResult } from "../parts/result-view.js";
import { SettingsForm, neededPlaces } from "../parts/settings-form.js";

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */
/** @typedef {import("../types.js").Job} Job */
/** @typedef {import("../parts/network-views.js").Chosen} Chosen */

const OVER = ["done", "failed", "canceled"];
const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = place("network");
const stage = place("stage");

let state = readNetwork();
/** @type {VisualizationInfo[]} */
let known = [];
/** @type {Job | null} the run that is shown */
let job = null;
let unfollow = () => {};
let asked = "";
let turn = 0;
/** Whether Back or Forward changes everything at once. */
let returning = false;
/** @type {Record<string, string>} the pictures and checkpoints that were looked at last: other views begin with them */
const latest = {};
/** The model that an address asked for and that is not there. */
let lost = "";

const models = new ModelList(place("models"), { allowAdd: page.dataset.allowAdd === "yes" });
const tray = new PictureTray(place("pictures"));
const parts = new PartList(place("parts"), (to) => href({ ...to, view: "", settings: {} }));
const settings = new SettingsForm(place("settings"));
const progress = new JobProgress(() => cancel());
const again = h("button", { type: "button", class: "primary", hidden: true, onclick: () => run() }, "Run with these settings ", h("kbd", {}, "Ctrl \u21b5"));
fill(place("run"), again, progress.element);

/** @param {Partial<import("../parts/network-address.js").NetworkState>} changes */
function href(changes = {}) {
  return networkHref({ ...state, ...changes, model: models.chosen || state.model, pictures: tray.pictures.map(({ digest }) => digest) });
}

/** @returns {VisualizationInfo[]} */
function views() {
  return viewsOf(known, state);
}

/** @returns {VisualizationInfo | undefined} */
function view() {
  const found = views();
  return found.find(({ name }) => name === state.view) ?? found.find((one) => !reason(one)) ?? found[0];
}

/**
 * @param {VisualizationInfo} one
 * @returns {string} why the model cannot be looked at so
 */
function reason(one) {
  return models.model?.card?.visualizations?.[one.name] ?? "";
}

/**
 * Goes to another part or view; Back returns.
 *
 * @param {Partial<import("../parts/network-address.js").NetworkState>} changes
 */
function go(changes) {
  state = { ...state, ...changes };
  history.pushState(null, "", href());
  draw();
}

/** Draws what is chosen and runs its view. */
function draw() {
  const card = models.model?.card ?? null;
  const one = view();
  parts.show(card, state);
  fill(place("chosen"), card && heading(card));
  fill(place("views"), card && tabs(one));
  fill(place("about"), card && one && h("p", { class: "muted small" }, one.description));
  if (card && one) settings.show(freeSchema(one, state), state.settings, card, { ...one.defaults, ...placesOf(one) });
  else fill(place("settings"));
  again.hidden = true;
  document.title = [levelOf(state) === "model" ? "Network" : nameOf(state), models.chosen, "Picasso"].filter(Boolean).join(" \u00b7 ");
  const wanted = one?.subject === "pictures";
  place("pictures-part").hidden = !known.length;
  if (wanted && !tray.pictures.length) /** @type {HTMLDetailsElement} */ (place("pictures-part")).open = true;
  fill(place("pictures-count"), String(tray.pictures.length || ""));
  if (models.model?.state === "ready" && one) run();
  else waiting();
}

/**
 * @param {VisualizationInfo} one
 * @returns {Record<string, string>} the pictures or checkpoints that it needs, as they were chosen for another view
 */
function placesOf(one) {
  return Object.fromEntries(neededPlaces(one.schema).filter(([, kind]) => latest[kind]).map(([name, kind]) => [name, latest[kind]]));
}

/** @param {Chosen} chosen */
function nameOf({ layer, channel, label }) {
  return label || (channel === null ? layer : `${layer}, channel ${channel}`) || "The whole network";
}

/** @param {import("../types.js").Card} card */
function heading(card) {
  const layer = card.layers.find(({ name }) => name === state.layer);
  const level = levelOf(state);
  const facts = level === "model" ? `${card.framework} \u00b7 ${plural(card.layers.length, "layer")} \u00b7 ${compact(card.parameters)} parameters`
    : level === "class" ? (card.labels.includes(state.label) ? `class ${card.labels.indexOf(state.label)} of ${card.labels.length}` : "no class of this model")
    : layer ? `${layer.kind} \u00b7 ${layer.shape.join(" \u00d7 ")}` : "";
  return [lost && h("p", { class: "result-note" }, `There is no model '${lost}' here. This is ${models.chosen}.`), h("div", { class: "chosen-head" },
    h("div", {}, h("h2", {}, level === "channel" ? state.layer : nameOf(state)), h("p", { class: "muted" }, facts)),
    layer && stepper(layer.shape[layer.shape.length - 1]),
    (!layer || layer.spatial) && h("a", { class: "button", href: watchHref() }, icon("camera"), "Watch live"))];
}

/** The live page with what is chosen here: a layer's activations, or the map of a class. */
function watchHref() {
  const { layer, channel, label } = state;
  const view = layer && !label ? { view: "activations", settings: { layer }, channel } : { label };
  return liveHref({ model: models.chosen, ...view });
}

/**
 * @param {number} count of channels
 */
function stepper(count) {
  const { layer, channel } = state;
  const input = h("input", {
    type: "number", min: 0, max: count - 1, step: 1, value: channel ?? "", placeholder: "all", inputmode: "numeric", id: "channel",
    onchange: () => {
      const number = input.value === "" ? null : Math.min(count - 1, Math.max(0, Math.round(Number(input.value))));
      go({ channel: number, ...leaving() });
      document.getElementById("channel")?.focus();
    },
  });
  const step = (/** @type {number} */ by, /** @type {"minus" | "plus"} */ shape, /** @type {string} */ words) => h("button", {
    type: "button", class: "icon-only", "aria-label": words, title: words, "data-step": by, onclick: () => {
      go({ channel: channel === null ? (by > 0 ? 0 : count - 1) : (channel + by + count) % count, ...leaving() });
      /** @type {HTMLElement | null} */ (document.querySelector(`[data-step="${by}"]`))?.focus();
    },
  }, icon(shape));
  return h("div", { class: "channel-step" },
    h("label", { for: "channel" }, "Channel"), step(-1, "minus", "Previous channel"), input, step(1, "plus", "Next channel"),
    h("span", { class: "muted small" }, `of ${count.toLocaleString("en-US")}`),
    channel !== null && h("a", { href: href({ channel: null }), class: "small", onclick: (/** @type {MouseEvent} */ event) => {
      event.preventDefault();
      go({ channel: null });
    } }, `All of ${layer}`));
}

/** What stays when one goes to another part: the view and its settings, where the part has it. */
function leaving() {
  return { view: state.view, settings: state.settings };
}

/** @param {VisualizationInfo | undefined} current */
function tabs(current) {
  return h("ul", {}, views().map((one) => {
    const why = reason(one);
    return h("li", {}, h("a", {
      href: href({ view: one.name, settings: {} }), "aria-current": one === current && "true", "data-view": one.name,
      class: why && "unfit", title: why || null,
      onclick: (/** @type {MouseEvent} */ event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go({ view: one.name, settings: one.name === state.view ? state.settings : {} });
        document.querySelector(`[data-view="${one.name}"]`)?.focus();
      },
    }, one.title));
  }));
}

/** Says why there is nothing to see yet. */
function waiting() {
  stop();
  const { model } = models;
  const words = !model ? "" : model.state === "failed" ? `${model.name} could not be opened.`
    : model.state !== "ready" ? `Opening ${model.name}\u2026`
    : known.length ? "No view looks at this part." : "";
  fill(place("state"), words && h("p", { class: "result-note" }, words));
  fill(place("result"));
}

/** Asks for the view of what is chosen; what is stored is there at once. */
async function run() {
  const one = view();
  const { model } = models;
  if (!one || model?.state !== "ready") return;
  const why = reason(one);
  const body = question(one, model);
  const { pictures } = body;
  const key = keyOf(body);
  if (key === asked) return;
  stop();
  asked = key;
  const mine = turn;
  again.hidden = true;
  fill(place("result"));
  const missing = why || (one.subject === "pictures" && !pictures.length ? "This view looks at pictures: choose one beside." : "");
  fill(place("state"), missing && h("p", { class: "result-note" }, missing));
  if (missing) return;
  try {
    const made = await post("/jobs", body);
    if (mine === turn) show(made, one);
    else if (!OVER.includes(made.state)) post(`/jobs/${encodeURIComponent(made.id)}/cancel`).catch(() => null);
  } catch (error) {
    if (mine === turn) refused(error);
  }
}

/**
 * @param {VisualizationInfo} one
 * @param {import("../types.js").Model} model
 * @returns {{pictures: string[]} & Record<string, any>} the job that shows what is chosen
 */
function question(one, model) {
  return {
    model: model.name, visualization: one.name, pictures: one.subject === "pictures" ? tray.pictures.map(({ digest }) => digest) : [],
    settings: { ...settings.values(), ...(model.card && aim(one, state, model.card)) }, at: placeOf(one, state, model.card?.layers ?? []),
  };
}

/** @param {Record<string, any>} body */
function keyOf(body) {
  return JSON.stringify([body, state.channel]);
}

/** @param {unknown} error */
function refused(error) {
  asked = "";
  const { code, message } = asApiError(error);
  const name = /^(\w+) (must|needs|excludes|cannot|has)/.exec(message)?.[1] ?? "";
  if (code === "bad-settings" && settings.error(name, message)) announce(message);
  else fill(place("state"), problem(error));
  again.hidden = false;
  place("run").hidden = false;
  progress.element.hidden = true;
}

/**
 * @param {Job} made
 * @param {VisualizationInfo} one
 */
function show(made, one) {
  job = made;
  const known = new Map(tray.pictures.map((picture) => [picture.digest, picture]));
  const shown = made.tasks.map(() => new PicassoResult());
  shown.forEach((result, i) => {
    const task = made.tasks[i];
    const picture = task.picture === null ? null : known.get(task.picture) ?? null;
    fill(place("result"), ...shown);
    result.begin({ picture, title: one.title, model: made.model, channel: state.channel });
    if (task.result) result.load(task.result);
    else if (task.error) result.fail(task.error);
  });
  if (OVER.includes(made.state)) return over(made, shown);
  place("run").hidden = false;
  progress.element.hidden = false;
  progress.start(made.tasks.length);
  unfollow = follow(made.id, {
    progress: (data) => shown[data.task]?.dataset.key || progress.report(data),
    panel: (data) => shown[data.task]?.panel(data.panel),
    result: (data) => {
      progress.taskDone();
      if (shown[data.task]?.dataset.key !== data.key) shown[data.task]?.load(data.key);
    },
    end: async () => {
      try {
        const ended = await get(`/jobs/${encodeURIComponent(made.id)}`);
        if (job?.id === made.id) over(ended, shown); // a reader may have gone on meanwhile
      } catch (error) {
        if (job?.id === made.id) refused(error);
      }
    },
  });
}

/**
 * @param {Job} ended
 * @param {PicassoResult[]} shown
 */
function over(ended, shown) {
  job = ended;
  progress.element.hidden = true;
  place("run").hidden = again.hidden;
  ended.tasks.forEach((task, i) => {
    if (task.result) return;
    if (task.error) shown[i].fail(task.error);
    else if (ended.state === "canceled") shown[i].note("Canceled. Choose another view or part, or run it again.");
    else if (ended.error) shown[i].fail(ended.error);
  });
  if (ended.state !== "done") {
    asked = "";
    again.hidden = false;
    place("run").hidden = false;
  }
  announce(ended.state === "done" ? `${view()?.title}: done.` : ended.state === "canceled" ? "Canceled." : ended.error?.message ?? "");
}

async function cancel() {
  if (!job || OVER.includes(job.state)) return;
  await post(`/jobs/${encodeURIComponent(job.id)}/cancel`).catch((error) => fill(place("state"), problem(error)));
}

/** Leaves a run that nobody waits for any more. */
function stop() {
  turn += 1; // what was asked for and has not come yet is nobody's any more
  unfollow();
  unfollow = () => {};
  cancel();
  job = null;
  asked = "";
  place("run").hidden = true;
  progress.element.hidden = true;
}

/** Takes a sample where a reader has not chosen a picture: there is something to see at once. */
async function firstPicture() {
  const samples = tray.samples.filter((sample) => sample.model === models.chosen);
  if (!tray.pictures.length && samples.length) await tray.takeSample(samples[0]);
}

models.addEventListener("change", async () => {
  const other = Boolean(state.model) && models.chosen !== state.model;
  if (other) {
    lost = models.models.some(({ name }) => name === state.model) ? "" : state.model;
    state = { ...state, layer: "", channel: null, label: "", settings: {} };
  }
  state.model = models.chosen;
  tray.offerFor(models.chosen);
  if (!page.dataset.ready || returning) return;
  if (other) history.pushState(null, "", href());
  await firstPicture();
  history.replaceState(null, "", href());
  draw();
});
tray.addEventListener("change", () => {
  if (!page.dataset.ready || returning) return;
  history.replaceState(null, "", href());
  draw();
});
parts.addEventListener("choose", (event) => {
  go({ ...leaving(), .../** @type {CustomEvent} */ (event).detail });
  stage.focus({ preventScroll: true });
  if (stage.getBoundingClientRect().top < 0 || stage.getBoundingClientRect().top > innerHeight * 0.7) stage.scrollIntoView();
});
place("result").addEventListener("layer-selected", (event) => {
  go({ layer: /** @type {CustomEvent} */ (event).detail, channel: null, label: "", view: "", settings: {} });
});
settings.addEventListener("change", () => {
  const values = settings.values();
  const needed = neededPlaces(view()?.schema).filter(([name]) => values[name]);
  for (const [name, kind] of needed) latest[kind] = values[name];
  // An address says which pictures, whatever another visitor's page would begin with.
  state.settings = { ...settings.differences(), ...Object.fromEntries(needed.map(([name]) => [name, values[name]])) };
  history.replaceState(null, "", href());
  const [one, { model }] = [view(), models];
  // A field that was run with Ctrl Enter says that it changed when it is left, and nothing must move under the pointer.
  if (one && model && keyOf(question(one, model)) === asked) return;
  again.hidden = false;
  place("run").hidden = false;
});
addEventListener("popstate", async () => {
  state = readNetwork();
  const { model, pictures } = state;
  returning = true;
  await tray.set(pictures);
  if (model && model !== models.chosen) models.choose(model);
  returning = false;
  draw();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    asked = "";
    run();
  } else if (event.key === "Escape" && !event.defaultPrevented && job && !OVER.includes(job.state)) {
    event.preventDefault();
    progress.stop();
  }
});

const [, , found, datasets, folders] = await Promise.all([
  models.load(state.model),
  tray.load(state.pictures),
  list("/visualizations").catch((error) => {
    fill(place("state"), problem(error));
    return [];
  }),
  // Without them names are written by hand.
  list("/datasets").catch(() => []),
  list("/checkpoints").catch(() => []),
]);
known = found;
settings.offered = {
  visualization: known.filter(({ error }) => !error).map(({ name, title }) => [name, title]),
  album: datasets.map((/** @type {{name: string}} */ { name }) => [name, name]),
  checkpoints: folders.map(({ name }) => [name, name]),
};
settings.paths = page.dataset.allowAdd === "yes";
await firstPicture();
page.dataset.ready = "yes";
history.replaceState(null, "", href());
draw();
