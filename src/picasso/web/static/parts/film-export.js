/** Lays maps over the whole video of the live page: sends it, follows the job, and offers what came out. */

import { get, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { plural } from "../format.js";
import { Measuring } from "./measuring.js";

const EVERY = [1, 2, 5, 10];

/** @typedef {{frames: number, notes: string[], film: string, document: string, table: string}} Film */

/** Events: "change" when another job makes the film, or none. */
export class FilmExport extends EventTarget {
  /** @param {() => {file: File | null, question: Record<string, any> | null}} ask what is played, and how it is looked at */
  constructor(ask) {
    super();
    this.ask = ask;
    /** The job that makes or made the film. */
    this.id = "";
    /** What its video is called. */
    this.name = "";
    this.every = h("select", { id: "film-every" }, EVERY.map((count) =>
      h("option", { value: count }, count === 1 ? "every frame" : `every ${count}${count === 2 ? "nd" : "th"} frame`)));
    this.button = h("button", { type: "button", onclick: () => this.begin() }, icon("down"), "Make a film of it");
    this.offer = h("div", { class: "film-export" },
      h("p", { class: "field-hint" }, "The video is sent to this Picasso server and kept there with its film: every frame gets the map of this view, on one color scale."),
      h("div", { class: "film-row" }, h("label", { for: "film-every", class: "visually-hidden" }, "Which frames"), this.every, this.button));
    this.made = h("div", { class: "film-made" });
    this.measuring = new Measuring({ done: (film) => this.show(film), stopped: () => this.show(null) });
    this.element = h("section", { class: "film-export", "aria-label": "A film with the maps" },
      h("h3", {}, "The whole video with its maps"), this.offer, this.measuring.element, this.made);
  }

  /** Forgets the film of another video. */
  reset() {
    if (this.button.disabled) return; // it is still being sent or made
    fill(this.made);
    fill(this.measuring.element);
    this.of("", "");
  }

  /**
   * @param {string} id of a job; "" for none
   * @param {string} name of its video
   */
  of(id, name) {
    if (id === this.id) return;
    Object.assign(this, { id, name });
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} id of a job that was started before: a page that is loaded anew finds its film again */
  async resume(id) {
    let job;
    try {
      job = await get(`/jobs/${encodeURIComponent(id)}`);
    } catch {
      return; // it was deleted meanwhile
    }
    if (!job.video) return;
    this.work(true);
    this.of(id, job.video.name);
    await this.measuring.begin(async () => job);
  }

  async begin() {
    const { file, question } = this.ask();
    if (!file || !question) return;
    this.work(true);
    this.of("", "");
    fill(this.made, h("p", { class: "field-hint", role: "status" }, "Sending the video\u2026"));
    const form = new FormData();
    form.append("video", file, file.name);
    form.append("question", JSON.stringify({ ...question, every: Number(this.every.value) }));
    await this.measuring.begin(async () => {
      const job = await post("/films", form);
      fill(this.made);
      this.of(job.id, file.name);
      return job;
    });
  }

  /** @param {boolean} now */
  work(now) {
    this.button.disabled = this.every.disabled = now;
  }

  /** @param {Film | null} film null where there is none: it was canceled, or failed */
  show(film) {
    this.work(false);
    const run = (/** @type {string} */ words) => h("p", {}, h("a", { href: `/jobs/${encodeURIComponent(this.id)}` }, words));
    fill(this.made, ...(film
      ? [h("p", { class: "film-name" }, h("b", {}, this.name)), ...filmLinks(film), run("Play or delete it")]
      : [this.id ? run(`Delete ${this.name}, which was sent`) : null]));
    if (film) announce("The film is made.");
  }
}

/**
 * @param {Film} film
 * @returns {HTMLElement[]} what came out, to download
 */
export function filmLinks({ frames, notes, film, document, table }) {
  const link = (/** @type {string} */ href, /** @type {string} */ words, primary = false) =>
    h("a", { class: ["button", primary && "primary"], href, download: true }, icon("down"), words);
  return [
    h("p", { class: "film-links" }, link(film, "Film, MP4", true), link(table, "Scores, CSV"), link(document, "JSON")),
    h("p", { class: "field-hint" }, [`${plural(frames, "frame")}, one color scale.`, ...notes].join(" ")),
  ];
}
