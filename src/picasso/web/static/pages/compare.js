/** /compare: model, pictures, methods; a job measures which map to believe. */

import { list, post } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, plural } from "../format.js";
import { compareHref } from "../parts/compare-address.js";
import { Measuring } from "../parts/measuring.js";
import { MethodList } from "../parts/method-list.js";
import { MaskList } from "../parts/mask-list.js";
import { ModelList } from "../parts/model-list.js";
import { PictureTray } from "../parts/picture-tray.js";

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = place("compare");
const query = new URLSearchParams(location.search);

const models = new ModelList(place("models"), { allowAdd: page.dataset.allowAdd === "yes" });
const tray = new PictureTray(place("pictures"));
const masks = new MaskList(place("masks"), query.getAll("picture"), query.has("mask") ? query.getAll("mask") : null);
const methods = new MethodList(place("methods"), query.getAll("method"), query.get("beside"));
const recipe = h("p", { class: "recipe" });
const button = h("button", { type: "submit", class: "primary run" }, "Compare ", h("kbd", {}, "Ctrl \u21b5"));
const measuring = new Measuring({
  done: (key) => {
    // Who comes back finds the form, not the job that leads away again.
    working(false);
    remember();
    location.assign(`/comparisons/${encodeURIComponent(key)}`);
  },
  stopped: () => working(false),
});
fill(place("run"), recipe, button, measuring.element);
let busy = false;
/** Until it is known which masks the pictures have. */
let reading = Promise.resolve();

/** Says in one sentence what Compare will do, or what is missing. */
function describe() {
  const { model } = models;
  const missing = !model ? "Choose a model."
    : model.state === "failed" ? `${model.name} could not be opened.`
    : tray.waiting ? `Reading ${plural(tray.waiting, "more picture")}\u2026`
    : !tray.pictures.length ? "Add a picture to begin; several give an interval."
    : masks.waiting ? "Reading a mask\u2026"
    : !methods.chosen.length ? "Choose a method."
    : "";
  fill(recipe, missing || [
    h("b", {}, plural(methods.chosen.length, "method")), " on ", h("b", {}, plural(tray.pictures.length, "picture")),
    " by ", h("b", {}, model?.name ?? ""), ", each picture\u2019s best class",
    masks.count ? `; ${masks.words}.` : ".",
  ]);
  button.disabled = Boolean(missing) || busy;
  return missing;
}

/** @param {boolean} now */
function working(now) {
  busy = now;
  recipe.hidden = button.hidden = now;
  describe();
}

async function run() {
  if (busy || describe()) return;
  working(true);
  await measuring.begin(() => post("/comparisons", {
    model: models.chosen, pictures: tray.pictures.map((picture) => picture.digest),
    masks: masks.chosen, methods: methods.chosen.map((name) => ({ name })),
  }));
  remember();
}

/** Keeps the choices in the address, and the job, so that a reload goes on where it was. */
function remember() {
  const pictures = tray.pictures.map((picture) => picture.digest);
  history.replaceState(null, "", compareHref({
    model: models.chosen, pictures, masks: masks.chosen, methods: methods.chosen, job: measuring.id,
  }));
}

async function earlier() {
  const found = await list("/comparisons?limit=12");
  place("earlier").hidden = !found.length;
  fill(place("comparisons"), found.map((one) => h("li", {},
    h("a", { href: one.page }, h("b", {}, one.titles.join(", ")), ` on ${plural(one.pictures.length, "picture")} by ${one.model}`),
    h("span", { class: "muted" }, ` ${one.verdict[0]} \u00b7 ${ago(one.created)}`))));
}

models.addEventListener("change", () => {
  tray.offerFor(models.chosen);
  methods.fitTo(models.model);
  describe();
});
tray.addEventListener("change", () => {
  reading = masks.fitTo(tray.pictures);
  describe();
});
masks.addEventListener("change", describe);
methods.addEventListener("change", describe);
place("setup").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});

describe();
await Promise.all([models.load(query.get("model") ?? ""), tray.load(query.getAll("picture")), methods.load(), earlier().catch(() => null)]);
await reading;
methods.fitTo(models.model);
const job = query.get("job");
if (job) {
  working(true);
  await measuring.resume(job);
}
page.dataset.ready = "yes";
