/** /audit: model and data set; a job finds out whether the model is right for the right reason. */

import { list, post } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, plural } from "../format.js";
import { auditHref, matchOf } from "../parts/audit-address.js";
import { AuditPlan } from "../parts/audit-plan.js";
import { DatasetList } from "../parts/dataset-list.js";
import { Measuring } from "../parts/measuring.js";
import { ModelList } from "../parts/model-list.js";
import { outcomeSign } from "../parts/outcome.js";

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = place("audit");
const query = new URLSearchParams(location.search);
const allowAdd = page.dataset.allowAdd === "yes";

const models = new ModelList(place("models"), { allowAdd });
const datasets = new DatasetList(place("datasets"), { allowAdd });
const asked = (/** @type {string} */ name) => query.get(name) ?? "";
const plan = new AuditPlan(place("plan"), {
  limit: asked("limit"), seed: asked("seed"), model: asked("model"), dataset: asked("dataset"), match: matchOf(query),
});
const recipe = h("p", { class: "recipe" });
const button = h("button", { type: "submit", class: "primary run" }, "Start the audit ", h("kbd", {}, "Ctrl \u21b5"));
const measuring = new Measuring({
  done: (key) => {
    // Who comes back finds the form, not the job that leads away again.
    working(false);
    remember();
    location.assign(`/audits/${encodeURIComponent(key)}`);
  },
  stopped: () => {
    working(false);
    remember();
  },
});
fill(place("run"), recipe, button, measuring.element);
let busy = false;
/** Whether all that the address names was looked for: until then it stays as it is. */
let loaded = false;

/** Says in one sentence what Start will do, or what is missing. */
function describe() {
  const { model } = models;
  const missing = !model ? "Choose a model."
    : model.state === "failed" ? `${model.name} could not be opened.`
    : plan.missing();
  fill(recipe, missing || [
    h("b", {}, model?.name ?? ""), " on ", h("b", {}, plural(plan.pictures, "picture")), " of ", h("b", {}, datasets.chosen), ".",
  ]);
  button.disabled = Boolean(missing) || busy;
  return missing;
}

/** @param {boolean} now */
function working(now) {
  busy = plan.working = now;
  recipe.hidden = button.hidden = now;
  describe();
}

async function run() {
  if (busy || describe()) return;
  working(true);
  await measuring.begin(() => post("/audits", { model: models.chosen, dataset: datasets.chosen, ...plan.choices() }));
  remember();
}

/** Keeps the choices in the address, and the job, so that a reload goes on where it was. */
function remember() {
  if (loaded) history.replaceState(null, "", auditHref({ model: models.chosen, dataset: datasets.chosen, ...plan.choices(), job: measuring.id }));
}

async function earlier() {
  const found = await list("/audits?limit=12");
  place("earlier").hidden = !found.length;
  fill(place("audits"), found.map((one) => h("li", {},
    outcomeSign(one.outcome), h("a", { href: one.page }, h("b", {}, one.headline)),
    h("span", { class: "muted" }, `${one.model} on ${plural(one.pictures, "picture")} of ${one.dataset} \u00b7 ${ago(one.created)}`))));
  plan.remember(found);
}

models.addEventListener("change", () => {
  plan.fitTo(models.model);
  describe();
  remember();
});
datasets.addEventListener("change", () => plan.show(datasets.chosen));
plan.addEventListener("change", () => {
  describe();
  remember();
});
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
await Promise.all([models.load(asked("model")), datasets.load(asked("dataset")), earlier().catch(() => null)]);
plan.fitTo(models.model);
if (!datasets.chosen) plan.show("");
loaded = true;
const job = asked("job");
if (job) {
  working(true);
  await measuring.resume(job);
}
page.dataset.ready = "yes";
