/** Below the pictures of a comparison: where the object of each is, from a file, a box, or the data set that it comes from. */

import { asApiError, list, post } from "../api.js";
import { announce, fill, focusOn, h, icon } from "../dom.js";
import { percent, plural } from "../format.js";
import { BoxBoard } from "./box-board.js";

/** @typedef {import("../types.js").Picture} Picture */
/** @typedef {import("../types.js").Mask} Mask */

const FILES = "image/*,.tif,.tiff";

/** Events: "change" when a mask is chosen, taken away or being read. */
export class MaskList extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {string[]} pictures digests, as an address names them
   * @param {string[] | null} wanted for each of these the digest of its mask, or ""; null: those that are known
   */
  constructor(place, pictures, wanted) {
    super();
    /** @type {Map<string, string>} what the address says of a picture */
    this.wanted = new Map(wanted ? pictures.map((digest, at) => [digest, wanted[at] ?? ""]) : []);
    /** @type {Picture[]} */
    this.pictures = [];
    /** @type {Map<string, Mask | null>} by the picture's digest; also of pictures that are not chosen any more */
    this.masks = new Map();
    /** @type {{name: string, message: string, hint: string}[]} */
    this.failures = [];
    this.waiting = 0;
    /** @type {Picture | null} the one whose mask is being chosen; null for all of them */
    this.asked = null;
    /** @type {BoxBoard | null} on which a box is being drawn */
    this.board = null;

    this.input = h("input", {
      type: "file", accept: FILES, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", id: "mask-input",
      onchange: () => {
        this.upload([...this.input.files], this.asked);
        this.input.value = "";
      },
    });
    this.summary = h("span", { class: "muted" });
    this.all = h("p", {}, h("button", { type: "button", onclick: () => this.choose(null) }, icon("upload"), "Choose masks"));
    this.problems = h("div", { role: "alert" });
    this.rows = h("ul", { class: "mask-rows" });
    this.drawing = h("div", { class: "mask-board", hidden: true });
    this.details = h("details", { class: "mask-list" },
      h("summary", {}, "Where is the object? ", this.summary),
      h("p", { class: "small muted" }, "A mask is a picture of the same size in which everything but black is the object; "
        + "a box will do. The maps then show its outline, and the card says whether they point at it."),
      this.all, this.problems, this.rows, this.drawing);
    fill(place, this.input, this.details);
    this.draw();
  }

  /** @returns {(string | null)[]} for each picture the digest of its mask, or null; empty where there is no mask */
  get chosen() {
    return this.count ? this.pictures.map(({ digest }) => this.masks.get(digest)?.digest ?? null) : [];
  }

  /** How many pictures have a mask. */
  get count() {
    return this.pictures.filter(({ digest }) => this.masks.get(digest)).length;
  }

  /** @returns {string} how many pictures have a mask, in words */
  get words() {
    const all = this.pictures.length;
    return this.count < all ? `${this.count} of ${plural(all, "picture")} with a mask` : all > 1 ? "all with a mask" : "with a mask";
  }

  /** @param {Picture[]} pictures that are compared */
  async fitTo(pictures) {
    this.pictures = [...pictures];
    this.draw();
    // Its row is gone, so the focus stays where it is.
    if (this.board && !pictures.some(({ digest }) => digest === this.board?.picture?.digest)) this.stop();
    const fresh = pictures.filter(({ digest }) => !this.masks.has(digest));
    for (const { digest } of fresh) this.masks.set(digest, null);
    await this.#reading(fresh.map((picture) => this.#find(picture)));
  }

  /** @param {Picture} picture takes the mask that the address names, else the newest that is known */
  async #find({ digest }) {
    const known = await list(`/pictures/${encodeURIComponent(digest)}/masks`).catch(() => []);
    const wanted = this.wanted.get(digest);
    const found = wanted === undefined ? known[0] : known.find((mask) => mask.digest === wanted);
    if (!found) return;
    this.masks.set(digest, found);
    this.details.open = true;
  }

  /** @param {Picture | null} picture whose mask is chosen; null: files for several, each named as its picture */
  choose(picture) {
    this.asked = picture;
    this.input.multiple = picture === null;
    this.input.click();
  }

  /**
   * @param {File[]} files
   * @param {Picture | null} picture whose mask they are; null: that is found by their names
   */
  async upload(files, picture) {
    this.failures = [];
    await this.#reading(files.map((file) => this.#send(file, picture)));
    announce(this.failures.length ? `${plural(this.failures.length, "mask")} could not be used.` : `${this.words}.`);
  }

  /**
   * @param {File} file
   * @param {Picture | null} asked
   */
  async #send(file, asked) {
    const picture = asked ?? this.pictures.find(({ name }) => stem(name) === stem(file.name));
    if (!picture) {
      this.failures.push({ name: file.name, message: "No chosen picture has this name.", hint: "A mask has the name of its picture." });
      return;
    }
    const form = new FormData();
    form.append("file", file);
    try {
      this.masks.set(picture.digest, await post(`/pictures/${encodeURIComponent(picture.digest)}/masks`, form));
    } catch (error) {
      const { message, hint } = asApiError(error);
      this.failures.push({ name: file.name, message, hint });
    }
  }

  /** @param {Picture} picture on which a box is drawn */
  begin(picture) {
    const board = new BoxBoard(picture, "", `Draw a box around the object in ${picture.name}.`);
    const use = h("button", { type: "button", class: "primary", disabled: true, onclick: () => this.keep() }, "Use this box");
    for (const event of ["input", "change"]) board.addEventListener(event, () => { use.disabled = !this.#box(); });
    this.board = board;
    this.drawing.onkeydown = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") this.stop();
    };
    fill(this.drawing, board.element, use, h("button", { type: "button", onclick: () => this.stop() }, "Cancel"));
    this.drawing.hidden = false;
    // The bar at the bottom of the page may lie over what merely is in view.
    this.drawing.scrollIntoView({ block: "center" });
    board.surface.focus({ preventScroll: true });
  }

  /** Keeps the box that was drawn as the picture's mask. */
  async keep() {
    const box = this.#box(), picture = this.board?.picture;
    if (!picture || !box) return;
    const file = await filled(picture, box);
    this.stop();
    await this.upload([file], picture);
  }

  /** No box is drawn any more. */
  stop() {
    const digest = this.board?.picture?.digest ?? "";
    this.board = null;
    fill(this.drawing);
    this.drawing.hidden = true;
    focusOn(this.rows, `[data-picture="${CSS.escape(digest)}"] button`);
  }

  /** @returns {number[] | null} left, top, width and height of the part of the box that lies in the picture, or null */
  #box() {
    const { picture, numbers } = /** @type {BoxBoard} */ (this.board);
    if (!picture || numbers?.length !== 4) return null;
    const [left, top, width, height] = numbers;
    const from = [left, top].map((value) => Math.max(0, Math.round(value)));
    const to = [Math.min(picture.width, Math.round(left + width)), Math.min(picture.height, Math.round(top + height))];
    const size = to.map((value, axis) => value - from[axis]);
    return size.every((side) => side > 0) ? [...from, ...size] : null;
  }

  /** @param {Promise<void>[]} work */
  async #reading(work) {
    if (!work.length) return;
    this.waiting += work.length;
    this.#changed();
    await Promise.all(work);
    this.waiting -= work.length;
    this.#changed();
  }

  /** @param {Picture} picture */
  remove({ digest }) {
    this.masks.set(digest, null);
    this.#changed();
    focusOn(this.rows, `[data-picture="${CSS.escape(digest)}"] button`);
  }

  #changed() {
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    const focused = /** @type {HTMLElement | null} */ (this.rows.contains(document.activeElement) ? document.activeElement?.closest("li") : null)?.dataset.picture;
    this.details.hidden = !this.pictures.length;
    this.summary.textContent = this.count ? this.words : "optional";
    this.all.hidden = this.pictures.length < 2;
    if (this.failures.length) this.details.open = true;
    fill(this.problems, this.failures.map(({ name, message, hint }) =>
      h("p", { class: "tray-problem" }, icon("warn"), h("span", {}, h("b", {}, `${name}: `), message, " ", h("span", { class: "muted" }, hint)))));
    fill(this.rows, this.pictures.map((picture) => this.#row(picture)));
    if (focused) focusOn(this.rows, `[data-picture="${CSS.escape(focused)}"] button`);
  }

  /** @param {Picture} picture */
  #row(picture) {
    const mask = this.masks.get(picture.digest);
    return h("li", { "data-picture": picture.digest },
      h("span", { class: "masked" },
        h("img", { src: picture.thumbnail, alt: "", width: 52, height: 52, loading: "lazy" }),
        mask && h("img", { src: mask.file, alt: `The object in ${picture.name}`, width: 52, height: 52, class: "mask" })),
      h("span", { class: "mask-words" }, h("span", {}, picture.name),
        h("span", { class: "small muted" }, mask ? `${mask.name} \u00b7 ${percent(mask.area)} of the picture` : "no mask")),
      h("button", {
        type: "button", "aria-label": mask ? `Change the mask of ${picture.name}` : `Choose a mask for ${picture.name}`,
        onclick: () => this.choose(picture),
      }, mask ? "Change" : "Choose a mask"),
      h("button", {
        type: "button", "aria-label": `Draw a box on ${picture.name}`, onclick: () => this.begin(picture),
      }, "Draw a box"),
      mask && h("button", {
        type: "button", class: "text", "aria-label": `Remove the mask of ${picture.name}`, onclick: () => this.remove(picture),
      }, "Remove"));
  }
}

/**
 * @param {Picture} picture
 * @param {number[]} box left, top, width and height in its pixels
 * @returns {Promise<File>} a mask in which the box is white
 */
async function filled({ width, height }, box) {
  const canvas = h("canvas", { width, height });
  const ink = canvas.getContext("2d");
  ink.fillRect(0, 0, width, height);
  ink.fillStyle = "white";
  ink.fillRect(...box);
  // A picture too large for a canvas gives nothing, which the server then says is no picture.
  const data = await new Promise((answer) => canvas.toBlob(answer, "image/png"));
  return new File(data ? [data] : [], "drawn box");
}

/** @param {string} name of a file, perhaps with folders */
function stem(name) {
  return (name.split("/").at(-1) ?? "").replace(/\.[^.]*$/, "");
}
