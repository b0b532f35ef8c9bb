/** A job with its results in the order of its pictures, while they come and afterwards. */

import { ApiError, follow, get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { plural } from "../format.js";
import { display } from "../panels/display.js";
import { DisplayControls } from "../panels/toolbar.js";
import { compareHref } from "./compare-address.js";
import { problem } from "./problem.js";
import { PicassoResult } from "./result-view.js";

/** @typedef {import("../types.js").Job} Job */

const OVER = ["done", "failed", "canceled"];

/** Events: "end" when the job is over. */
export class JobView extends EventTarget {
  /**
   * @param {HTMLElement} place where the results appear
   * @param {import("./job-progress.js").JobProgress} progress
   * @param {(visualization: string) => string} titleOf
   */
  constructor(place, progress, titleOf) {
    super();
    this.place = place;
    this.progress = progress;
    this.titleOf = titleOf;
    /** @type {Job | null} */
    this.job = null;
    /** @type {PicassoResult[]} */
    this.views = [];
    /** @type {() => void} */
    this.unfollow = () => {};
    place.addEventListener("panels", (event) => this.offer(/** @type {PicassoResult} */ (event.target)));
    for (const event of ["change", "strength"]) display.addEventListener(event, () => this.controls?.sync());
  }

  /** @param {PicassoResult} view */
  offer(view) {
    const maps = [...view.panels.values()].filter((panel) => panel.kind === "heatmap");
    if (!this.controls || !maps.length) return;
    this.controls.element.hidden = false;
    this.controls.offer(/** @type {import("../types.js").HeatmapWire[]} */ (maps));
  }

  get running() {
    return this.job !== null && !OVER.includes(this.job.state);
  }

  /**
   * Shows a job and follows it to its end.
   *
   * @param {Job} job
   * @param {Map<string, import("../types.js").Picture>} pictures what is known of its pictures, by digest
   */
  show(job, pictures) {
    this.unfollow();
    this.job = job;
    this.views = job.tasks.map((_, i) => new PicassoResult(i));
    const title = this.titleOf(job.visualization);
    this.state = h("div", { class: "job-state" });
    const several = job.tasks.length > 1;
    this.place.classList.toggle("shared-controls", several);
    const controls = new DisplayControls();
    controls.element.hidden = true;
    fill(this.place,
      h("header", { class: "stage-head" },
        h("p", {}, h("b", {}, title), ` \u00b7 ${job.model} \u00b7 ${plural(job.tasks.length, "picture")}`),
        h("p", { class: "stage-links small" }, h("a", { href: this.others() }, "Compare methods"),
          h("a", { href: `/jobs/${encodeURIComponent(job.id)}` }, "Page of this run"))),
      several && controls.element, this.state, h("div", { class: "results" }, this.views));
    this.controls = controls;
    job.tasks.forEach((task, i) => {
      const picture = pictures.get(task.picture ?? "");
      this.views[i].begin({ picture: picture ?? /** @type {any} */ ({ name: task.name ?? "Picture" }), title, model: job.model });
      if (task.result) this.views[i].lazily(task.result);
      else if (task.error) this.views[i].fail(task.error);
    });
    this.progress.start(job.tasks.length, job.started);
    for (const task of job.tasks) if (task.result) this.progress.taskDone();
    if (this.running) this.follow(job.id);
    else this.over(job);
  }

  /** Shows no job any more; one that runs goes on. */
  close() {
    this.unfollow();
    this.job = null;
    this.views = [];
    fill(this.place);
  }

  /** @param {string} id */
  follow(id) {
    const at = (/** @type {any} */ data) => this.views[typeof data.task === "number" ? data.task : this.indexOf(data.picture)];
    this.unfollow = follow(id, {
      // After a reload everything is told again; what is done already says nothing about the rest.
      progress: (data) => at(data)?.dataset.key || this.progress.report(data),
      panel: (data) => at(data)?.panel(data.panel),
      result: (data) => {
        const view = at(data);
        if (!view || view.dataset.key === data.key) return;
        this.progress.taskDone();
        view.lazily(data.key);
      },
      end: () => this.end(id),
    });
  }

  /** @param {string} picture */
  indexOf(picture) {
    return this.job?.tasks.findIndex((task) => task.picture === picture) ?? -1;
  }

  /** @param {string} id */
  async end(id) {
    try {
      const job = await get(`/jobs/${encodeURIComponent(id)}`);
      if (this.job?.id === id) this.over(job);
    } catch (error) {
      fill(/** @type {HTMLElement} */ (this.state), problem(error));
    }
  }

  /** @param {Job} job */
  over(job) {
    this.job = job;
    job.tasks.forEach((task, i) => {
      const view = this.views[i];
      if (!view || task.result) return;
      if (task.error) view.fail(task.error);
      else if (job.state === "canceled") view.note("Canceled before this picture was finished.");
      else if (job.state === "failed") view.note("Not run, because the run failed before.");
    });
    const single = job.tasks.length === 1 && job.tasks[0].error;
    if (job.state === "failed" && job.error && !single) {
      fill(/** @type {HTMLElement} */ (this.state), problem(job.error));
    }
    const finished = job.tasks.filter((task) => task.result).length;
    if (job.state === "canceled") announce(`Canceled. ${finished} of ${plural(job.tasks.length, "picture")} finished.`);
    else if (job.state === "done") announce(`Done: ${plural(finished, "result")}.`);
    this.dispatchEvent(new Event("end"));
  }

  async cancel() {
    if (!this.job || !this.running) return;
    try {
      await post(`/jobs/${encodeURIComponent(this.job.id)}/cancel`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(/** @type {HTMLElement} */ (this.state), problem(error));
    }
  }

  /** @returns {string} the page that compares this method with the usual ones, on these pictures */
  others() {
    const { model, tasks, visualization } = this.job;
    return compareHref({ model, pictures: tasks.flatMap((task) => task.picture ?? []), beside: visualization });
  }
}
