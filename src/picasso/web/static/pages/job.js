/** /jobs/{id}: a run with all its pictures, how far each is, and its results. */

import { follow, get, list, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { ago, plural } from "../format.js";
import { auditHref } from "../parts/audit-address.js";
import { compareHref } from "../parts/compare-address.js";
import { deletes } from "../parts/delete-dialog.js";
import { filmLinks } from "../parts/film-export.js";
import { JobProgress } from "../parts/job-progress.js";
import { networkHref } from "../parts/network-address.js";
import { problem } from "../parts/problem.js";

/** @typedef {import("../types.js").Job} Job */

const place = (/** @type {string} */ name) => /** @type {HTMLElement} */ (document.getElementById(name));
const id = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const path = `/jobs/${encodeURIComponent(id)}`;
const OVER = ["done", "failed", "canceled"];
const WORDS = { queued: "waiting", running: "running", done: "done", failed: "failed", canceled: "canceled" };

const progress = new JobProgress(() => post(`${path}/cancel`).catch(show));
/** @type {HTMLElement[]} */
let tiles = [];
/** What its visualization is called. */
let title = "";

/** @param {unknown} error */
function show(error) {
  fill(place("job-state"), problem(error));
}

/** @param {Job} job */
function heading(job) {
  const over = OVER.includes(job.state);
  const finished = job.tasks.filter((task) => task.state === "done").length;
  const query = new URLSearchParams({ model: job.model, visualization: job.visualization, settings: JSON.stringify(job.settings) });
  if (job.at) query.set("at", job.at);
  const alone = job.tasks.some((task) => task.picture === null);
  for (const task of job.tasks.slice(0, 6)) if (task.picture) query.append("picture", task.picture);
  // Of a job that compares, audits or makes a film one thing comes out, and no result of each picture.
  const { methods, dataset, video } = job;
  const again = video
    ? h("div", { class: "film-links" }, job.film && filmLinks(job.film), deleteButton())
    : dataset
    ? job.audit
      ? h("a", { class: "button primary", href: `/audits/${encodeURIComponent(job.audit)}` }, "The verdict")
      : h("a", { class: "button", href: auditHref({ model: job.model, dataset, limit: job.settings.limit, seed: job.seed, match: job.settings.match }) }, "Audit again")
    : methods
    ? job.comparison
      ? h("a", { class: "button primary", href: `/comparisons/${encodeURIComponent(job.comparison)}` }, "Which map to believe")
      : h("a", { class: "button", href: compareHref({
        model: job.model, pictures: job.tasks.flatMap((task) => task.picture ?? []),
        masks: job.tasks.map((task) => task.mask), methods: methods.map(({ name }) => name),
      }) }, "Compare again")
    : alone
    ? h("a", { class: "button", href: networkHref({ model: job.model, view: job.visualization, settings: job.settings }) }, "Run again with other settings")
    : h("a", { class: "button", href: `/explain?${query}` }, "Run again with other settings");
  const of = video ? `of ${video.name}` : dataset ? `on ${dataset}` : alone ? "of the model alone" : `of ${plural(job.tasks.length, "picture")}`;
  document.title = `${title || job.visualization} ${of} \u00b7 Picasso`;
  fill(place("job-head"),
    h("div", {},
      h("h1", {}, video ? "Film" : dataset ? "Audit" : methods ? "Scorecard" : title || job.visualization, h("span", { class: "muted" }, ` by ${job.model}`)),
      h("p", {}, h("span", { class: "dot inline", "data-state": job.state }), ` ${WORDS[job.state]} \u00b7 ` +
        `${video || dataset || alone ? of : `${finished} of ${plural(job.tasks.length, "picture")}`} \u00b7 ${ago(job.created)}`)),
    over ? again : progress.element);
  if (job.error && job.tasks.every((task) => task.error?.message !== job.error?.message)) show(job.error);
}

/** @returns {HTMLElement[]} of a film: the video that was sent goes with it */
function deleteButton() {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "delete-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "delete-title" }, "Delete this film?"),
      h("p", {}, "The video that was sent and the film with its numbers are deleted."),
      h("div", { class: "buttons" },
        h("button", { value: "", autofocus: true }, "Keep it"), h("button", { value: "delete", class: "danger" }, "Delete"))));
  deletes(dialog, path, "/live", place("job-state"));
  return [h("button", { type: "button", class: "danger", onclick: () => dialog.showModal() }, icon("trash"), "Delete"), dialog];
}

/** @param {import("../types.js").Task} task */
function tile(task) {
  const image = task.picture
    ? h("img", { src: `/api/v1/pictures/${task.picture}/thumbnail`, alt: "", width: 200, height: 200, loading: "lazy" })
    : h("span", { class: "tile-alone" }, "The model alone");
  const name = h("span", { class: "tile-name" }, task.name ?? "");
  const state = h("span", { class: "tile-state" }, h("span", { class: "dot inline", "data-state": task.state }), WORDS[task.state]);
  const body = [h("span", { class: "tile-picture" }, image), name, state];
  return h("li", { class: "tile", "data-state": task.state },
    task.result ? h("a", { class: "tile-link", href: `/results/${encodeURIComponent(task.result)}` }, body) : h("div", { class: "tile-link" }, body),
    task.error && h("p", { class: "tile-error" }, task.error.message, " ", h("span", { class: "muted" }, task.error.hint)));
}

/** @param {Job} job */
function draw(job) {
  heading(job);
  tiles = job.tasks.map(tile);
  fill(place("tasks"), tiles);
  if (job.film) fill(place("job-state"), h("video", { class: "film-player", src: job.film.film, controls: true, loop: true, "aria-label": `Film of ${job.video?.name}` }));
  place("tasks").removeAttribute("aria-busy");
}

try {
  let job = /** @type {Job} */ (await get(path));
  title = (await list("/visualizations").catch(() => [])).find(({ name }) => name === job.visualization)?.title ?? "";
  draw(job);
  if (!OVER.includes(job.state)) {
    progress.start(job.methods || job.dataset || job.video ? 1 : job.tasks.length, job.started);
    for (const task of job.tasks) if (task.result) progress.taskDone();
    const change = (/** @type {number} */ at, /** @type {Partial<import("../types.js").Task>} */ news) => {
      const task = job.tasks[at];
      if (!task || task.state === news.state) return;
      Object.assign(task, news);
      const next = tile(task);
      tiles[at].replaceWith(next);
      tiles[at] = next;
    };
    follow(id, {
      progress: (data) => {
        if (job.tasks[data.task]?.result) return;
        progress.report(data);
        change(data.task, { state: "running" });
      },
      result: (data) => {
        if (job.tasks[data.task]?.result) return;
        progress.taskDone();
        change(data.task, { state: "done", result: data.key });
      },
      end: async () => {
        job = await get(path);
        draw(job);
        announce(`The run is ${WORDS[job.state]}.`);
      },
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !OVER.includes(job.state)) progress.stop();
    });
  }
} catch (error) {
  show(error);
  place("tasks").removeAttribute("aria-busy");
}
