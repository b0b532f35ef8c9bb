/** A job of which one thing comes out (a comparison, an audit, a film), while it runs: a bar, what is done, Cancel. */

import { follow, get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { JobProgress } from "./job-progress.js";
import { problem } from "./problem.js";

const OVER = ["done", "failed", "canceled"];

export class Measuring {
  /** @param {{done: (made: any) => void, stopped: () => void}} told the key of the comparison or audit, or the film */
  constructor({ done, stopped }) {
    this.done = done;
    this.stopped = stopped;
    this.progress = new JobProgress(() => this.cancel());
    this.element = h("div", { class: "measuring" });
    this.id = "";
    this.closed = false;
    this.unfollow = () => {};
    /** @param {KeyboardEvent} event */
    this.onKey = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || !this.id) return;
      event.preventDefault();
      this.progress.stop();
    };
  }

  /** @param {() => Promise<any>} submit asks for the job */
  async begin(submit) {
    fill(this.element);
    this.closed = false;
    try {
      const job = await submit();
      if (!this.closed) this.show(job); // it may have been closed meanwhile
    } catch (error) {
      if (!this.closed) this.fail(error);
    }
  }

  /** @param {any} job */
  show(job) {
    if (OVER.includes(job.state)) return this.over(job);
    this.id = job.id;
    this.progress.start(1, job.started);
    fill(this.element, this.progress.element);
    announce("At work.");
    document.addEventListener("keydown", this.onKey);
    this.unfollow = follow(job.id, { progress: (data) => this.progress.report(data), end: () => this.end() });
  }

  /** @param {string} id of a job that was started before */
  async resume(id) {
    await this.begin(() => get(`/jobs/${encodeURIComponent(id)}`));
  }

  async end() {
    try {
      this.over(await get(`/jobs/${encodeURIComponent(this.id)}`));
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {any} job */
  over(job) {
    this.close();
    if (job.state === "failed") return this.fail(job.error);
    fill(this.element);
    if (job.state === "done") return this.done(job.audit ?? job.comparison ?? job.film);
    announce("Canceled.");
    this.stopped();
  }

  /** @param {unknown} error */
  fail(error) {
    this.close();
    fill(this.element, problem(/** @type {any} */ (error)));
    this.stopped();
  }

  async cancel() {
    try {
      await post(`/jobs/${encodeURIComponent(this.id)}/cancel`);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Stops following; the job itself goes on. */
  close() {
    this.closed = true;
    this.id = "";
    this.unfollow();
    document.removeEventListener("keydown", this.onKey);
  }
}
