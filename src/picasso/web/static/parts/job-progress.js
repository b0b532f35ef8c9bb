/** How far a job is: a bar, what is being done, about how long it will take, and Cancel. */

import { fill, h } from "../dom.js";
import { duration } from "../format.js";

const ESTIMATE_AFTER_S = 0.8;
/** Less than this share says little of the speed: where more was done before, that is taken. */
const LEAST_GAINED = 0.05;

export class JobProgress {
  /** @param {() => void} cancel */
  constructor(cancel) {
    this.cancel = cancel;
    this.bar = h("progress", { max: 1, "aria-label": "Progress" });
    this.words = h("span", { class: "progress-words" });
    this.button = h("button", { type: "button", class: "cancel", onclick: () => this.stop() }, "Cancel ", h("kbd", {}, "Esc"));
    this.element = h("div", { class: "job-progress" },
      h("div", { class: "progress-line" }, this.bar, this.words), this.button);
    this.tasks = 1;
    this.finished = 0;
    this.since = 0;
    this.began = -1;
    this.last = 0;
    this.started = NaN;
  }

  /**
   * @param {number} tasks
   * @param {string | null} [started] when the job began, where it runs already: an ISO time
   */
  start(tasks, started = null) {
    this.tasks = tasks;
    this.finished = 0;
    this.since = performance.now();
    this.began = -1;
    this.started = Date.parse(started ?? "");
    this.button.disabled = false;
    this.bar.removeAttribute("value");
    fill(this.words, "Waiting for the model\u2026");
  }

  stop() {
    this.button.disabled = true;
    fill(this.words, "Canceling\u2026");
    this.cancel();
  }

  taskDone() {
    this.finished = Math.min(this.tasks, this.finished + 1);
    this.show(this.finished / this.tasks, "");
  }

  /** @param {{done: number, total: number, message: string}} progress of the present picture */
  report({ done, total, message }) {
    const part = total > 0 ? done / total : 0;
    this.show((this.finished + Math.min(1, part)) / this.tasks, message);
  }

  /**
   * @param {number} share
   * @param {string} message
   */
  show(share, message) {
    if (this.button.disabled) return;
    if (share > 0) this.bar.value = share;
    // The time until the first step is mostly the opening of the model: it says nothing about the rest.
    // A job that finds out on its way how much there is to do falls back: it is estimated afresh.
    if (this.began < 0 || share < this.last) {
      this.began = share;
      this.since = performance.now();
    }
    this.last = share;
    const seconds = (performance.now() - this.since) / 1000;
    const gained = share - this.began;
    const before = (Date.now() - this.started) / 1000;
    const left = gained < LEAST_GAINED && share > gained && before > ESTIMATE_AFTER_S ? (before / share) * (1 - share)
      : gained > 0 && seconds > ESTIMATE_AFTER_S ? (seconds / gained) * (1 - share) : null;
    fill(this.words, [
      message || (share > 0 ? `${Math.round(share * 100)}%` : "Starting\u2026"),
      this.tasks > 1 && this.finished < this.tasks ? `picture ${this.finished + 1} of ${this.tasks}` : "",
      left === null || share >= 1 ? "" : `about ${duration(left)} left`,
    ].filter(Boolean).join(" \u00b7 "));
  }
}
