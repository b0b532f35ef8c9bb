/** Lays maps over the whole video of the live page: sends it, follows the job, and offers what came out. */

import { post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { plural } from "../format.js";
import { Measuring } from "./measuring.js";

const EVERY = [1, 2, 5, 10];

/** @typedef {{frames: number, notes: string[], film: string, document: string, table: string}} Film */

export class FilmExport {
  /** @param {() => {file: File | null, question: Record<string, any> | null}} ask what is played, and how it is looked at */
  constructor(ask) {
    this.ask = ask;
    /** The job that makes or made the film. */
    this.id = "";
    this.every = h("select", { id: "film-every" }, EVERY.map((count) =>
      h("option", { value: count }, count === 1 ? "every frame" : `every ${count}${count === 2 ? "nd" : "th"} frame`)));
    this.button = h("button", { type: "button", onclick: () => this.begin() }, icon("down"), "Make a film of it");
    this.made = h("div", { class: "film-made" });
    this.measuring = new Measuring({ done: (film) => this.show(film), stopped: () => this.show(null) });
    this.element = h("section", { class: "film-export", "aria-label": "A film with the maps" },
      h("h3", {}, "The whole video with its maps"),
      h("p", { class: "field-hint" }, "The video is sent to this Picasso server and kept there with its film: every frame gets the map of this view, on one color scale."),
      h("div", { class: "film-row" }, h("label", { for: "film-every", class: "visually-hidden" }, "Which frames"), this.every, this.button),
      this.measuring.element, this.made);
  }

  /** Forgets the film of another video. */
  reset() {
    if (this.measuring.id) return; // it is still being made
    fill(this.made);
  }

  async begin() {
    const { file, question } = this.ask();
    if (!file || !question) return;
    this.work(true);
    fill(this.made, h("p", { class: "field-hint", role: "status" }, "Sending the video\u2026"));
    const form = new FormData();
    form.append("video", file, file.name);
    form.append("question", JSON.stringify({ ...question, every: Number(this.every.value) }));
    await this.measuring.begin(async () => {
      const job = await post("/films", form);
      this.id = job.id;
      fill(this.made);
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
    fill(this.made, film && [...filmLinks(film), h("p", {}, h("a", { href: `/jobs/${encodeURIComponent(this.id)}` }, "Play or delete it"))]);
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
