/** /live: a camera or a video, and what the model looks at in it, frame by frame. */

import { asApiError, list, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { MovingClasses } from "../live/classes.js";
import { LiveFigure } from "../live/figure.js";
import { HALVING_SECONDS } from "../live/scale.js";
import { Source } from "../live/source.js";
import { Choices, quick, schemaOf } from "../live/views.js";
import { Watcher } from "../live/watcher.js";
import { FilmExport } from "../parts/film-export.js";
import { liveHref, readLive } from "../parts/live-address.js";
import { ModelList } from "../parts/model-list.js";
import { problem } from "../parts/problem.js";
import { SettingsForm } from "../parts/settings-form.js";

const SPOKEN_MS = 3000;
/** A new best class is said at most this often. */
const LARGEST_SHORT = 1024;
const INTERACTIVE = "a, button, input, select, textarea, summary, video, [role=application]";
const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = place("live");

const address = readLive();
const source = new Source();
const watcher = new Watcher(source);
const models = new ModelList(place("models"), { allowAdd: page.dataset.allowAdd === "yes" });
const choices = new Choices(place("view"));
const settings = new SettingsForm(place("settings"));
const figure = new LiveFigure();
const classes = new MovingClasses((index) => choices.choose(index));
const film = new FilmExport(() => ({ file: source.played, question: watcher.question }));
/** Whether this server can make films. */
const films = page.dataset.films === "yes";
/** @type {import("../live/watcher.js").Seen | null} the last answer */
let seen = null;
/** @type {Record<string, any>} what differs from the view's defaults */
let given = address.settings;
/** The view whose settings are shown. */
let shown = "";
let spoken = { label: "", moment: -SPOKEN_MS };

const upload = h("input", { type: "file", accept: "video/*,.mkv,.mov,.webm,.mp4", class: "visually-hidden", id: "video-file", tabindex: "-1", "aria-label": "Video file",
  onchange: () => {
    const [file] = upload.files ?? [];
    if (file) begin(() => source.file(file));
    upload.value = "";
  } });
const cameraButton = h("button", { type: "button", onclick: () => begin(() => source.camera()) }, icon("camera"), "Camera");
const fileButton = h("button", { type: "button", onclick: () => upload.click() }, icon("upload"), "Video file\u2026");
const playButton = h("button", { type: "button", class: "primary live-play", "aria-keyshortcuts": "Space", onclick: () => toggle() });
const stillButton = h("button", { type: "button", onclick: () => still() }, icon("plus"), "Explain this frame");
const incoming = h("span", { class: "muted" });
const meter = h("p", { class: "live-meter" });
const devices = h("select", { "aria-label": "Which camera", hidden: true, onchange: () => begin(() => source.camera(devices.value)) });
fill(place("bar"), h("div", { class: "live-sources" }, cameraButton, fileButton, devices, upload), playButton, stillButton, meter);
fill(place("figure"), figure.element);
fill(place("classes"), classes.element);

/**
 * Changes to another source and begins to watch it.
 *
 * @param {() => Promise<void>} open
 */
async function begin(open) {
  watcher.pause();
  fill(place("state"));
  const pressed = document.activeElement;
  try {
    await open();
    if (!source.kind) return;
    await source.video.play();
    watcher.start();
    if (source.kind === "camera") await offerCameras();
  } catch (error) {
    // A video that is left before it plays is no fault.
    if (/** @type {Error} */ (error)?.name !== "AbortError") fill(place("state"), problem(error));
  }
  draw();
  // From here on Space pauses: on the button that was pressed it would open the source anew.
  const stayed = document.activeElement === pressed || document.activeElement === document.body;
  if (watcher.running && stayed && pressed !== devices) playButton.focus({ preventScroll: true });
}

/** Lists the cameras; their names are known only once one was allowed. */
async function offerCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const current = source.stream?.getVideoTracks()[0]?.getSettings().deviceId;
  fill(devices, cameras.map(({ deviceId, label }, i) =>
    h("option", { value: deviceId, props: { selected: deviceId === current } }, label || `Camera ${i + 1}`)));
  devices.hidden = cameras.length < 2;
}

function toggle() {
  if (!source.kind) return;
  if (watcher.running) {
    watcher.pause();
    if (source.kind === "file") source.video.pause();
  } else {
    fill(place("state"));
    source.video.play().catch(() => null); // it was left meanwhile
    watcher.start();
  }
}

/** Says what is asked of each frame from now on. */
function aim() {
  const { model } = models;
  const card = model?.card;
  const { view } = choices;
  const ready = model?.state === "ready" && card && view;
  watcher.question = ready ? {
    model: model.name, visualization: view.name, settings: settings.values(), target: choices.target,
    channel: view.attributes ? null : choices.channel,
  } : null;
  if (card) {
    const [rows, columns] = card.input_shape;
    watcher.short = Math.min(LARGEST_SHORT, Math.max(rows, columns, Number(card.preprocessing?.short_side) || 0));
  }
  if (!ready && watcher.running) fill(meter, `Waiting for ${model?.name ?? "a model"}\u2026`);
  remember();
  watcher.again();
}

/** Draws what can be chosen for the chosen model and view. */
function refit() {
  const card = models.model?.state === "ready" ? models.model.card : null;
  choices.show(card);
  const { view } = choices;
  shown = view?.name ?? "";
  if (card && view) settings.show(schemaOf(view), given, card, view.defaults);
  else fill(place("settings"));
  aim();
  draw();
}

function remember() {
  const { name, label, which, channel } = choices;
  const model = models.chosen || address.model;
  history.replaceState(null, "", liveHref({ model, view: name, settings: given, label, index: which, channel, film: film.id }));
}

/** Draws the buttons and what is said beside them. */
function draw() {
  const { model } = models;
  const running = watcher.running;
  cameraButton.setAttribute("aria-pressed", String(source.kind === "camera"));
  fileButton.setAttribute("aria-pressed", String(source.kind === "file"));
  fill(playButton, icon(running ? "pause" : "play"), running ? "Pause " : "Start ", h("kbd", {}, "Space"));
  playButton.disabled = !source.kind;
  stillButton.disabled = !seen;
  devices.hidden ||= source.kind !== "camera";
  place("figure").hidden = !seen;
  // Taken out of the page and put back, a video would stop.
  if (source.kind && !source.video.isConnected) fill(place("source"), h("h3", {}, "What comes in ", incoming), source.video);
  if (!source.kind) fill(place("source"));
  incoming.textContent = source.name;
  film.offer.hidden = source.kind !== "file";
  fill(place("film"), films && (source.kind === "file" || film.id) && film.element);
  page.dataset.running = running ? "yes" : "no";
  fill(place("about"), about());
  const waiting = !source.kind && !place("state").firstChild;
  if (waiting) {
    fill(place("state"), h("div", { class: "empty" }, h("h2", {}, "Point a camera at something, or play a video"),
      h("p", {}, "The model is asked about one frame after another, and the map follows.",
        model && model.state !== "ready" ? ` ${model.name} is being opened.` : "")));
  }
}

/** @returns {string} what a reader must know of what is shown */
function about() {
  return "Frames go to this Picasso server alone and are stored nowhere; \u201cExplain this frame\u201d uploads the one that is shown. " +
    "The color scale follows the largest value of late: it rises at once, and comes down by half of what it is too wide in " +
    `${HALVING_SECONDS} seconds, so that colors of neighboring frames can be compared.`;
}

/** Opens the frame that is shown in the workbench: the very picture that the model got, with the same choices. */
async function still() {
  if (!seen) return;
  stillButton.disabled = true;
  watcher.pause();
  const asked = JSON.parse(seen.key);
  const form = new FormData();
  form.append("files", seen.frame.blob, `${source.kind === "camera" ? "camera" : source.name.replace(/\.[^.]*$/, "") || "frame"}.png`);
  try {
    const { pictures: [picture] } = await post("/pictures", form);
    if (picture.error) throw picture.error;
    const next = new URLSearchParams({ model: asked.model, picture: picture.digest, visualization: asked.visualization });
    if (Object.keys(given).length) next.set("settings", JSON.stringify(given));
    if (asked.target !== null) next.set("target", String(asked.target));
    location.assign(`/explain?${next}`);
  } catch (error) {
    fill(place("state"), problem(error));
    stillButton.disabled = false;
  }
}

watcher.addEventListener("seen", async (event) => {
  const next = /** @type {CustomEvent} */ (event).detail;
  const first = !seen;
  const { said, frame } = next;
  if (first) place("figure").hidden = false;
  if (place("state").firstChild) fill(place("state"));
  await figure.show(next, choices.view?.title ?? "");
  seen = next;
  classes.show(said.classes, said.explained, said.certainty, choices.choosable);
  const behind = performance.now() - frame.taken;
  const rate = watcher.rate();
  fill(meter, watcher.running && rate ? [h("b", {}, rate.toFixed(rate < 10 ? 1 : 0)), " frames a second \u00b7 "] : "",
    h("b", {}, String(Math.round(behind))), ` ms behind, ${Math.round(said.seconds * 1000)} of them in the model`);
  Object.assign(page.dataset, { rate: rate.toFixed(2), behind: behind.toFixed(1), answers: String(Number(page.dataset.answers ?? 0) + 1), subject: said.subject });
  speak(said.classes[0]);
  if (first) draw();
});

/** @param {{label: string, probability: number}} best */
function speak({ label }) {
  const moment = performance.now();
  if (label === spoken.label || moment - spoken.moment < SPOKEN_MS) return;
  spoken = { label, moment };
  announce(`Now ${label}`);
}

watcher.addEventListener("doing", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  if (detail) fill(meter, `${detail}\u2026`);
});
watcher.addEventListener("fail", (event) => {
  const error = asApiError(/** @type {CustomEvent} */ (event).detail);
  const name = /^(\w+) (must|needs|excludes|cannot|has)/.exec(error.message)?.[1] ?? "";
  if (error.code === "bad-settings" && settings.error(name, error.message)) announce(error.message);
  else fill(place("state"), problem(error, { label: "Go on", act: toggle }));
  draw();
});
watcher.addEventListener("state", draw);
source.addEventListener("change", () => {
  if (!source.kind) watcher.pause();
  film.reset();
  fill(place("state"));
  draw();
});
source.video.addEventListener("pause", () => {
  if (source.kind === "file") watcher.pause();
});
source.video.addEventListener("play", () => {
  if (source.kind === "file") watcher.start();
});
source.video.addEventListener("seeked", () => watcher.once());
models.addEventListener("change", refit);
choices.addEventListener("change", () => {
  if (choices.view?.name !== shown) given = {};
  refit();
});
settings.addEventListener("change", () => {
  given = settings.differences();
  aim();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/** @type {HTMLElement} */ (event.target).closest(INTERACTIVE)) return;
  event.preventDefault();
  toggle();
});
addEventListener("pagehide", () => source.close());

film.addEventListener("change", () => {
  remember();
  draw();
});

Object.assign(choices, { name: address.view, label: address.label, index: address.index ?? choices.index, channel: address.channel });
if (films && address.film) film.resume(address.film);
draw();
const [, known] = await Promise.all([
  models.load(address.model),
  list("/visualizations").catch((error) => {
    fill(place("state"), problem(error));
    return [];
  }),
]);
choices.known = quick(known);
refit();
page.dataset.ready = "yes";
