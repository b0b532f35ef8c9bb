/** Step 2: the pictures, dropped, chosen, pasted, taken from the samples or from what was used before. */

import { ApiError, asApiError, get, list, post } from "../api.js";
import { announce, fill, focusOn, h, icon } from "../dom.js";
import { plural } from "../format.js";

/** @typedef {import("../types.js").Picture} Picture */

const AT_ONCE = 8;
const RECENT = 12;
const SAMPLES = 12;

/** Events: "change" when the chosen pictures changed. */
export class PictureTray extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    /** @type {Picture[]} */
    this.pictures = [];
    /** @type {{name: string, error: ApiError}[]} */
    this.failures = [];
    /** @type {any[]} */
    this.samples = [];
    /** @type {Picture[]} */
    this.recent = [];
    this.waiting = 0;
    /** How many of those that were asked for last are not there. */
    this.gone = 0;
    this.model = "";
    this.allSamples = false;

    this.input = h("input", {
      type: "file", multiple: true, accept: "image/*,.tif,.tiff,.dcm,.npy", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true",
      id: "file-input", onchange: () => {
        this.upload([...this.input.files]);
        this.input.value = "";
      },
    });
    this.count = h("span", { class: "drop-count" });
    this.drop = h("button", { type: "button", class: "drop", onclick: () => this.input.click() },
      icon("upload"), h("span", {}, h("b", {}, "Choose pictures"), h("span", { class: "drop-or" }, "or drop or paste them here")));
    this.chosen = h("ul", { class: "tray", "aria-label": "Chosen pictures" });
    this.problems = h("div", { class: "tray-problems", role: "alert" });
    this.offers = h("div", { class: "offers" });
    fill(place, this.input, this.drop, this.problems, this.chosen, this.offers);
    this.listen();
    this.draw();
  }

  listen() {
    let depth = 0;
    const over = (/** @type {boolean} */ on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragenter", (event) => {
      if (!carriesFiles(event)) return;
      depth += 1;
      over(true);
    });
    addEventListener("dragleave", (event) => {
      if (!carriesFiles(event)) return;
      depth = Math.max(0, depth - 1);
      over(depth > 0);
    });
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      depth = 0;
      over(false);
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.upload([...event.dataTransfer.files]);
    });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.upload(files);
    });
  }

  /**
   * @param {string[]} wanted digests to choose
   */
  async load(wanted) {
    const [samples, recent] = await Promise.all([
      list("/samples").catch(() => []),
      list("/pictures").catch(() => []),
    ]);
    this.samples = samples;
    this.recent = recent;
    const found = await this.find(wanted);
    this.pictures.push(...found.filter((picture) => !this.has(picture.digest)));
    this.#changed();
  }

  /** @param {string[]} wanted digests of exactly what is chosen from now on */
  async set(wanted) {
    this.pictures = await this.find(wanted);
    this.#changed();
  }

  /**
   * @param {string[]} wanted digests
   * @returns {Promise<Picture[]>} those that are there
   */
  async find(wanted) {
    const known = new Map([...this.recent, ...this.pictures].map((picture) => [picture.digest, picture]));
    const found = await Promise.all(wanted.map(async (digest) =>
      known.get(digest) ?? (await get(`/pictures/${encodeURIComponent(digest)}`).catch(() => null))));
    const there = found.filter((picture) => picture !== null);
    this.gone = wanted.length - there.length;
    return there;
  }

  /** @param {string} name the model for which samples are offered */
  offerFor(name) {
    this.model = name;
    this.drawOffers();
  }

  /** @param {File[]} files */
  async upload(files) {
    this.failures = [];
    this.waiting += files.length;
    this.#changed();
    for (let start = 0; start < files.length; start += AT_ONCE) {
      const batch = files.slice(start, start + AT_ONCE);
      const form = new FormData();
      for (const file of batch) form.append("files", file);
      try {
        const { pictures } = await post("/pictures", form);
        for (const one of pictures) {
          if (one.error) this.failures.push({ name: one.name, error: one.error });
          else this.add(one);
        }
      } catch (error) {
        for (const file of batch) this.failures.push({ name: file.name, error: asApiError(error) });
      }
      this.waiting -= batch.length;
      this.#changed();
    }
    announce(`${plural(this.pictures.length, "picture")} chosen.`);
  }

  /** @param {any} sample */
  async takeSample(sample) {
    if (sample.digest && this.has(sample.digest)) return this.remove(sample.digest);
    try {
      const answer = await post(`/samples/${encodeURIComponent(sample.id)}`);
      const picture = answer.picture ?? answer;
      sample.digest = picture.digest;
      this.add(picture);
    } catch (error) {
      this.failures = [{ name: sample.name ?? sample.id, error: asApiError(error) }];
    }
    this.#changed();
  }

  /** @param {Picture} picture */
  add(picture) {
    if (!this.has(picture.digest)) this.pictures.push(picture);
    if (!this.recent.some((one) => one.digest === picture.digest)) this.recent.unshift(picture);
  }

  /** @param {string} digest */
  has(digest) {
    return this.pictures.some((picture) => picture.digest === digest);
  }

  /** @param {string} digest */
  remove(digest) {
    this.pictures = this.pictures.filter((picture) => picture.digest !== digest);
    this.#changed();
  }

  clear() {
    this.pictures = [];
    this.#changed();
    this.drop.focus();
  }

  #changed() {
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    const several = this.pictures.length + this.waiting > 0;
    this.drop.classList.toggle("small", several);
    fill(this.problems, this.failures.map(({ name, error }) =>
      h("p", { class: "tray-problem" }, icon("warn"), h("span", {},
        h("b", {}, error.message.includes(name) ? "" : `${name}: `), error.message, " ", h("span", { class: "muted" }, error.hint)))));
    fill(this.chosen,
      this.pictures.map((picture) => this.thumb(picture)),
      Array.from({ length: Math.min(this.waiting, 12) }, () => h("li", { class: "thumb waiting" }, h("span", { class: "visually-hidden" }, "Reading\u2026"))));
    this.chosen.hidden = !several;
    this.drawOffers();
  }

  /** @param {Picture} picture */
  thumb(picture) {
    const notes = picture.notes ?? [];
    return h("li", { class: "thumb", title: [picture.name, `${picture.width} \u00d7 ${picture.height}`, ...notes].join("\n") },
      h("img", { src: picture.thumbnail, alt: picture.name, width: 72, height: 72, loading: "lazy" }),
      notes.length > 0 && h("span", { class: "thumb-note" }, h("span", { "aria-hidden": "true" }, "i"), h("span", { class: "visually-hidden" }, notes.join(" "))),
      h("button", {
        type: "button", class: "thumb-remove", "aria-label": `Remove ${picture.name}`, title: "Remove",
        onclick: () => {
          this.remove(picture.digest);
          this.drop.focus();
        },
      }, icon("close")));
  }

  drawOffers() {
    const samples = this.samples.filter((sample) => sample.model === this.model);
    const shown = new Set(samples.map((sample) => sample.digest));
    const recent = this.recent.filter((picture) => !this.has(picture.digest) && !shown.has(picture.digest)).slice(0, RECENT);
    const notes = this.pictures.flatMap((picture) => (picture.notes ?? []).map((note) => `${picture.name}: ${note}`));
    fill(this.offers,
      notes.length > 0 && h("ul", { class: "tray-notes" }, notes.slice(0, 3).map((note) => h("li", {}, note)),
        notes.length > 3 && h("li", {}, `and ${notes.length - 3} more`)),
      this.pictures.length > 1 && h("p", { class: "tray-count" }, plural(this.pictures.length, "picture"), " ",
        h("button", { type: "button", class: "text", onclick: () => this.clear() }, "Remove all")),
      samples.length > 0 && this.offer("Samples", spread(samples, this.allSamples ? samples.length : SAMPLES), (sample) => this.takeSample(sample)),
      recent.length > 0 && this.offer("Used before", recent, (picture) => {
        this.add(picture);
        this.#changed();
      }));
    if (samples.length > SAMPLES) {
      this.offers.querySelector(".offer h3")?.append(" ", h("span", { class: "more-samples" }, this.moreSamples(samples.length)));
    }
  }

  /** @param {number} count */
  moreSamples(count) {
    return h("button", {
      type: "button", class: "text", onclick: () => {
        this.allSamples = !this.allSamples;
        this.drawOffers();
        focusOn(this.offers, ".more-samples button");
      },
    }, this.allSamples ? "Fewer" : `All ${count}`);
  }

  /**
   * @param {string} title
   * @param {any[]} pictures
   * @param {(picture: any) => void} take
   */
  offer(title, pictures, take) {
    return h("div", { class: "offer" }, h("h3", {}, title),
      h("ul", {}, pictures.map((picture) => {
        const taken = Boolean(picture.digest) && this.has(picture.digest);
        return h("li", {}, h("button", {
          type: "button", class: ["offer-picture", taken && "taken"], "aria-pressed": String(taken),
          "aria-label": `${taken ? "Remove" : "Add"} ${picture.name ?? picture.id}`, title: picture.name ?? picture.id,
          onclick: () => take(picture),
        }, h("img", { src: picture.thumbnail ?? picture.file, alt: "", width: 52, height: 52, loading: "lazy" }), taken && icon("check")));
      })));
  }
}

/**
 * @template T
 * @param {T[]} items
 * @param {number} count
 * @returns {T[]} so many of them, evenly from first to last
 */
function spread(items, count) {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]);
}

/** @param {DragEvent} event */
function carriesFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}
