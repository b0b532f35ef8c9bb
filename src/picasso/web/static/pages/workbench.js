/** /explain: model, pictures, visualization, run; the results appear in place. */

import { asApiError, get, list, post } from "../api.js";
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

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const bench = place("workbench");
const stage = place("stage");
const runBar = place("run");

const state = readState();
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

function remember() {
  writeState({
    model: models.chosen, pictures: tray.pictures.map((picture) => picture.digest), visualization: visualizations.chosen,
    settings: { ...state.settings, [visualizations.chosen]: settings.differences() },
    ...targets.value(), at: targets.at() ?? spot.value().at ?? "", job: view.job?.id ?? "",
  });
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
    stage.focus({ preventScroll: true });
    const { top } = stage.getBoundingClientRect();
    if (top < 0 || top > innerHeight * 0.7) stage.scrollIntoView({ block: "start" });
  } catch (error) {
    problemFrom(error);
  } finally {
    sending = false;
    remember();
  }
}

/** @param {import("../types.js").Job} job */
function show(job) {
  bench.dataset.mode = "docked";
  stage.hidden = false;
  view.show(job, new Map([...tray.recent, ...tray.pictures].map((picture) => [picture.digest, picture])));
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
targets.addEventListener("change", remember);
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

const ofChannel = state.at.startsWith("channel=");
targets.set(state.target, state.top, state.at);
spot.set(ofChannel ? "" : state.at);
describe();
// Without them names are written by hand.
const [datasets, folders] = await Promise.all([
  list("/datasets").catch(() => []), list("/checkpoints").catch(() => []), models.load(state.model), tray.load(state.pictures), visualizations.load(state.visualization),
]);
const named = (/** @type {{name: string}[]} */ found) => found.map(({ name }) => /** @type {[string, string]} */ ([name, name]));
settings.offered = { album: named(datasets), checkpoints: named(folders) };
settings.paths = bench.dataset.allowAdd === "yes";
targets.set(state.target, state.top, state.at);
refit();
if (state.job) {
  await get(`/jobs/${encodeURIComponent(state.job)}`).then(show, () => {
    // The run was deleted meanwhile; the setup is still there.
  });
}
remember();
bench.dataset.ready = "yes";
