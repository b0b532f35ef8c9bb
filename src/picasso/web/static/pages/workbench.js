/** /explain: model, pictures, visualization, run; the results appear in place. */

import { ApiError, asApiError, get, list, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { plural } from "../format.js";
import { JobProgress } from "../parts/job-progress.js";
import { JobView } from "../parts/job-view.js";
import { ModelList } from "../parts/model-list.js";
import { PlacePicker } from "../parts/place-picker.js";
import { PictureTray } from "../parts/picture-tray.js";
import { problem } from "../parts/problem.js";
import { SettingsForm } from "../parts/settings-form.js";
import { TargetPicker } from "../parts/target-picker.js";
import { VisualizationList } from "../parts/visualization-list.js";
import { readState, writeState } from "../parts/workbench-state.js";

/** @typedef {import("../types.js").Job} Job */

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const bench = place("workbench");
const stage = place("stage");
const runBar = place("run");

let state = readState();
/** While the address decides what is chosen, it stays as it is. */
let returning = true;
/** What the address said last, and how often Back or Forward has led elsewhere. */
let [known, turns] = ["", 0];
const models = new ModelList(place("models"), { allowAdd: bench.dataset.allowAdd === "yes" });
const tray = new PictureTray(place("pictures"));
const visualizations = new VisualizationList(place("visualizations"));
const settings = new SettingsForm(place("settings"));
const targets = new TargetPicker(place("targets"));
const spot = new PlacePicker(place("spot"));
const progress = new JobProgress(() => view.cancel());
const view = new JobView(stage, progress, (name) => visualizations.known.find((one) => one.name === name)?.title ?? name);

const recipe = h("p", { class: "recipe" });
const banner = h("div", { class: "run-problem" });
const runButton = h("button", { type: "submit", class: "primary run" }, "Run ", h("kbd", {}, "Ctrl \u21b5"));
fill(runBar, banner, recipe, runButton, progress.element);
progress.element.hidden = true;
let sending = false;

/** Says in one sentence what Run will do, or what is missing. */
function describe() {
  const { model } = models;
  const { visualization } = visualizations;
  const missing = !model ? "Choose a model."
    : model.state === "failed" ? `${model.name} could not be opened.`
    : tray.waiting ? `Reading ${plural(tray.waiting, "more picture")}\u2026`
    : !tray.pictures.length ? "Add a picture to begin."
    : !visualization ? "No visualization fits this model."
    : "";
  const explained = targets.words();
  fill(recipe, missing || [
    h("b", {}, visualization?.title ?? ""), " of ", h("b", {}, plural(tray.pictures.length, "picture")),
    " by ", h("b", {}, model?.name ?? ""), explained ? `, explaining ${explained}${targets.ofChannel() ? "" : spot.words()}.` : `${spot.words()}.`,
  ]);
  runButton.disabled = Boolean(missing) || sending;
  return missing;
}

/** @param {boolean} [step] whether Back leads to what was there before */
function remember(step = false) {
  if (!returning) {
    writeState({
      model: models.chosen, pictures: tray.pictures.map((picture) => picture.digest), visualization: visualizations.chosen,
      settings: { ...state.settings, [visualizations.chosen]: settings.differences() },
      ...targets.value(), at: targets.at() ?? spot.value().at ?? "", job: view.job?.id ?? "",
    }, step);
    known = choices();
  }
  describe();
}

/** Draws the settings and targets of the chosen visualization for the chosen model. */
function refit() {
  const { visualization } = visualizations;
  const card = models.model?.card ?? null;
  if (visualization) {
    settings.show(visualization.schema, state.settings[visualization.name] ?? {}, card, visualization.defaults);
  }
  const task = card?.task ?? "classification";
  // What shows the whole answer has no place.
  const whole = visualization?.needs.includes(task);
  spot.show(whole ? "classification" : task, tray.pictures[0] ?? null);
  aim();
}

/** Offers what can be explained of the chosen model, here or everywhere. */
function aim() {
  const card = models.model?.card;
  const attributes = Boolean(visualizations.visualization?.attributes);
  const layers = card?.capabilities.includes("activations") ? card.layers : [];
  targets.show(card?.labels ?? [], attributes, card?.task ?? "classification", Boolean(spot.value().at), layers,
    card?.default_layer ?? null);
}

function problemFrom(/** @type {unknown} */ error) {
  const { code, message, hint } = asApiError(error);
  if (code === "bad-settings") {
    const name = /^(\w+) (must|needs|excludes|cannot|has)/.exec(message)?.[1] ?? "";
    if (settings.error(name, message)) return announce(message);
  }
  if (code === "bad-target") {
    (/place|mask|detect|pixel|box/.test(message) && spot.value().at ? spot : targets).error(`${message} ${hint}`.trim());
    return announce(message);
  }
  fill(banner, problem(error));
}

async function run() {
  if (sending || view.running || describe()) return;
  sending = true;
  fill(banner);
  describe();
  try {
    const job = await post("/jobs", {
      model: models.chosen, pictures: tray.pictures.map((picture) => picture.digest),
      visualization: visualizations.chosen, settings: settings.values(), ...targets.value(), at: targets.at() ?? spot.value().at,
      seed: 0,
    });
    show(job);
    remember(true);
    stage.focus({ preventScroll: true });
    const { top } = stage.getBoundingClientRect();
    if (top < 0 || top > innerHeight * 0.7) stage.scrollIntoView({ block: "start" });
  } catch (error) {
    problemFrom(error);
  } finally {
    sending = false;
    describe();
  }
}

/** @param {import("../types.js").Job} job */
function show(job) {
  bench.dataset.mode = "docked";
  stage.hidden = false;
  view.show(job, new Map([...tray.recent, ...tray.pictures].map((picture) => [picture.digest, picture])));
  follow();
}

/**
 * @param {string} id "" for none
 * @returns {Promise<Job | null>} null where it is not there any more
 */
async function jobOf(id) {
  if (!id) return null;
  try {
    return await get(`/jobs/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) fill(banner, problem(error));
    return null;
  }
}

/**
 * Adds to what the address says of a run what it does not say.
 *
 * @param {Job | null} job
 */
function complete(job) {
  if (!job) return;
  const pictures = job.tasks.flatMap(({ picture }) => picture ?? []);
  if (!state.pictures.length) state.pictures = pictures;
  if (!state.model) state.model = job.model;
  if (state.visualization) return;
  const { visualization, target = null, top = state.top, at } = job;
  Object.assign(state, { visualization, target, top, at: at ?? "" });
  state.settings[visualization] = job.settings;
}

/**
 * Says what the address names and nobody knows, before another is chosen in its place.
 *
 * @param {Job | null} job
 */
function sayGone(job) {
  const { model, visualization } = state;
  const sentences = [
    state.job && !job && !banner.firstChild && "This run is gone.",
    model && models.models.length > 0 && !models.models.some(({ name }) => name === model) && `There is no model ${model}.`,
    tray.gone > 0 && `${plural(tray.gone, "picture")} of this address ${tray.gone === 1 ? "is" : "are"} gone.`,
    visualization && visualizations.known.length > 0 && !visualizations.known.some(({ name }) => name === visualization)
      && `There is no visualization of pictures by the name of ${visualization}.`,
  ].filter(Boolean);
  if (sentences.length) fill(banner, problem({ code: "gone", message: sentences.join(" "), hint: "What is left of it is chosen here." }));
}

/** Goes back, or forward, to what the address says. */
async function comeBack() {
  const turn = (turns += 1);
  returning = true;
  known = choices();
  fill(banner);
  state = readState();
  const job = await jobOf(state.job);
  complete(job);
  await tray.set(state.pictures);
  if (turn !== turns) return; // it went on meanwhile
  if (models.models.some(({ name }) => name === state.model)) models.choose(state.model);
  visualizations.choose(state.visualization);
  choose();
  refit();
  if (job) show(job);
  else close();
  sayGone(job);
  returning = false;
  describe();
}

/** Chooses what is explained as the address says. */
function choose() {
  targets.set(state.target, state.top, state.at);
  spot.set(state.at.startsWith("channel=") ? "" : state.at);
}

/** @returns {string} what the address says, but for the maps that are shown */
function choices() {
  const query = new URLSearchParams(location.search);
  query.delete("map");
  return query.toString();
}

/** Shows the form alone. */
function close() {
  view.close();
  bench.dataset.mode = "start";
  stage.hidden = true;
  follow();
}

function follow() {
  progress.element.hidden = !view.running;
  recipe.hidden = runButton.hidden = view.running;
}

models.addEventListener("change", () => {
  tray.offerFor(models.chosen);
  visualizations.fitTo(models.model);
  refit();
  remember();
});
tray.addEventListener("change", () => {
  spot.show(spot.task, tray.pictures[0] ?? null);
  remember();
});
visualizations.addEventListener("change", () => {
  refit();
  remember();
});
settings.addEventListener("change", () => {
  state.settings[visualizations.chosen] = settings.differences();
  remember();
});
targets.addEventListener("change", () => remember());
spot.addEventListener("change", () => {
  aim();
  remember();
});
view.addEventListener("end", () => {
  follow();
  describe();
});

place("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  } else if (event.key === "Escape" && !event.defaultPrevented && view.running) {
    event.preventDefault();
    progress.stop();
  }
});
// Enter in a field means "done with this field", not "run".
place("setup").addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && target.matches("input")) event.preventDefault();
});

addEventListener("popstate", () => {
  // A place within the page is no other choice.
  if (choices() !== known) comeBack();
});

// Only what an address names can be missed: what this window has kept may belong to another server.
const addressed = location.search.length > 1;
describe();
const job = await jobOf(state.job);
complete(job);
choose();
// Without them names are written by hand.
const [datasets, folders] = await Promise.all([
  list("/datasets").catch(() => []), list("/checkpoints").catch(() => []), models.load(state.model), tray.load(state.pictures), visualizations.load(state.visualization),
]);
const named = (/** @type {{name: string}[]} */ found) => found.map(({ name }) => /** @type {[string, string]} */ ([name, name]));
settings.offered = { album: named(datasets), checkpoints: named(folders) };
settings.paths = bench.dataset.allowAdd === "yes";
choose();
refit();
if (job) show(job);
if (addressed) sayGone(job);
returning = false;
remember();
bench.dataset.ready = "yes";
