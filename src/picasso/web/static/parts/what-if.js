/** <picasso-what-if>: paint something out of the picture and see what the model makes of it, beside what the map says. */

import { Asker } from "../brush/asker.js";
import { Board } from "../brush/board.js";
import { readLooks } from "../brush/looks.js";
import { FILLS, Painting, checked, fromText, toText } from "../brush/painting.js";
import { predict } from "../brush/prediction.js";
import { drawScores, explained, keyOf, measured } from "../brush/scores.js";
import { announce, fill, freshId, h, icon } from "../dom.js";
import { number, percent } from "../format.js";
import { problem } from "./problem.js";

/** @typedef {import("../types.js").StoredResult} StoredResult */
/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */
/** @typedef {import("../brush/painting.js").EditData} EditData */

const MARK = "#what-if=";
const LONGEST = 16_000;
/** Characters of an address: longer ones are cut by programs that pass them on. */
const WORDS = { grey: "Grey", black: "Black", white: "White", mean: "Mean color", blur: "Blur", clone: "Clone" };

/**
 * @param {string} key of a result
 * @returns {string} what the page's address says was painted on it, or ""
 */
export function paintedInAddress(key) {
  const [name, text] = location.hash.startsWith(MARK) ? location.hash.slice(MARK.length).split("/") : [];
  return name && text && key.startsWith(name) ? decodeURIComponent(text) : "";
}

export class PicassoWhatIf extends HTMLElement {
  /** @param {StoredResult} result */
  constructor(result) {
    super();
    const { document, picture } = result;
    this.result = result;
    this.maps = /** @type {HeatmapWire[]} */ (result.panels.filter((panel) => panel.kind === "heatmap"));
    this.targets = document.targets ?? [];
    this.asker = new Asker({
      model: document.model.name, picture: picture.digest, at: document.at ?? null,
      target: this.targets.map((/** @type {any} */ { index, minus }) => (minus === undefined ? index : `${index} - ${minus}`)),
    });
    this.state = h("p", { class: "brush-state" });
    this.trouble = h("div", { class: "brush-trouble" });
    this.work = h("div", { class: "brush-work" });
    this.scores = h("ol", { class: "moved", "aria-label": "Scores before and after" });
    this.notes = h("div", { class: "notes" });
    this.asker.addEventListener("doing", (event) => this.doing(/** @type {CustomEvent} */ (event).detail));
    this.asker.addEventListener("fail", (event) => this.fail(/** @type {CustomEvent} */ (event).detail));
    this.asker.addEventListener("reply", (event) => {
      const { reply, edit } = /** @type {CustomEvent} */ (event).detail;
      this.answered(reply, edit).catch((error) => this.fail(error));
    });
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.append(h("h3", {}, "What if this were not there?"), this.trouble, this.work, this.state);
    this.asker.ask(null);
  }

  /** @param {string} doing */
  doing(doing) {
    clearTimeout(this.patience);
    if (!doing) return fill(this.state);
    const words = () => fill(this.state, h("span", { class: "dot", "data-state": "running" }), `${doing}\u2026`,
      h("button", { type: "button", class: "text", onclick: () => this.asker.stop() }, "Stop"));
    // A warm model answers at once; words that only flash by disturb.
    if (!this.board || doing !== "Asking the model") words();
    else this.patience = setTimeout(words, 400);
  }

  /** @param {unknown} error */
  fail(error) {
    fill(this.trouble, problem(error, { label: "Ask again", act: () => this.ask() }));
  }

  ask() {
    fill(this.trouble);
    this.asker.ask(this.painting?.data() ?? null);
  }

  /**
   * @param {any} reply
   * @param {EditData | null} edit
   */
  async answered(reply, edit) {
    fill(this.trouble);
    if (!this.board) {
      this.open(new Painting(reply.width, reply.height), await readLooks(reply.looks, reply.width, reply.height));
    }
    this.reply = { ...reply, edit };
    const painting = /** @type {Painting} */ (this.painting);
    /** @type {Map<string, import("../brush/prediction.js").Prediction>} */
    const predictions = new Map();
    const asked = new Painting(reply.width, reply.height);
    if (edit) {
      asked.load(edit);
      for (const map of this.maps) {
        const target = this.targets[map.rank];
        if (target) predictions.set(keyOf(target), await predict(map, asked, this.result.document.settings));
      }
    }
    this.predictions = predictions;
    drawScores(this.scores, reply.moved, predictions, Boolean(edit));
    this.explain(edit, reply, predictions);
    this.dataset.painted = String(reply.painted);
    this.dataset.seconds = String(reply.seconds);
    fill(this.state, edit
      ? `${reply.painted.toLocaleString("en-US")} of ${(reply.width * reply.height).toLocaleString("en-US")} pixels painted; the model answered in ${number(reply.seconds)} s.`
      : "Nothing is painted yet: paint on the picture.");
    if (this.unsaid && edit && !this.asker.wanted) this.say(reply.moved[0], predictions);
    if (toTextOf(edit) === toTextOf(painting.data())) this.dataset.ready = toTextOf(edit);
  }

  /**
   * @param {import("../brush/scores.js").Moved} first
   * @param {Map<string, import("../brush/prediction.js").Prediction>} predictions
   */
  say(first, predictions) {
    this.unsaid = false;
    const prediction = predictions.get(keyOf(first));
    const [before, after] = first.probability?.map(percent) ?? first.score.map(number);
    const map = !prediction ? "" : prediction.kind === "share"
      ? `; ${percent(prediction.total)} of the map is painted over`
      : `; changed by ${number(measured(first, prediction))}, the map says ${number(-prediction.total)}`;
    announce(`${first.label}: ${before} before, ${after} now${map}.`);
  }

  /**
   * @param {EditData | null} edit
   * @param {any} reply
   * @param {Map<string, import("../brush/prediction.js").Prediction>} predictions
   */
  explain(edit, reply, predictions) {
    const { document } = this.result;
    const first = predictions.values().next().value;
    const said = [];
    if (reply.model !== document.model.digest) said.push("The model has changed since this map was made; its scores are those of today.");
    if (edit && first) {
      said.push(...explained(first, {
        units: this.maps[0].units,
        baseline: FILLS.includes(document.attributions?.[0]?.baseline) ? document.attributions[0].baseline : null,
        painted: new Set(edit.paints.map((paint) => paint.fill)),
        share: reply.painted / (reply.width * reply.height),
      }));
    } else if (edit && !this.maps.length) said.push("This visualization is no map, so there is nothing to compare with.");
    fill(this.notes, said.map((sentence) => h("p", {}, sentence)));
  }

  /**
   * @param {Painting} painting
   * @param {import("../brush/board.js").Looks} looks
   */
  open(painting, looks) {
    this.painting = painting;
    const size = Math.max(1, Math.round(Math.min(painting.width, painting.height) / 8));
    this.board = new Board(painting, looks, { shape: "brush", fill: this.firstFill(), size });
    this.hint = h("p", { class: "field-hint", role: "status" });
    fill(this.work, h("div", { class: "brush-left" }, this.tools(this.board), this.board.element, this.hint, this.steps(painting)),
      h("div", { class: "brush-right" }, this.legend(), this.scores, this.notes), this.keeping());
    const show = () => this.sync();
    this.board.addEventListener("state", show);
    painting.addEventListener("change", () => this.asker.ask(painting.data()));
    painting.addEventListener("commit", () => {
      this.unsaid = true;
      this.remember();
      show();
      this.asker.ask(painting.data());
    });
    show();
    const before = paintedInAddress(this.result.key);
    if (before) this.take(() => fromText(before), "The address holds no edit that fits this picture.");
  }

  /** @returns {import("../brush/painting.js").Fill} that of the map, so that the two can be compared */
  firstFill() {
    const { document } = this.result;
    const used = document.attributions?.[0]?.baseline;
    return FILLS.includes(used) ? used : "grey";
  }

  /** @param {Board} board */
  tools(board) {
    const group = (/** @type {string} */ title, /** @type {"shape" | "fill"} */ key, /** @type {Record<string, string>} */ choices) => {
      const name = freshId("brush");
      return h("div", { class: "brush-choice" }, h("span", { class: "field-title", id: name }, title),
        h("span", { class: "segmented", role: "radiogroup", "aria-labelledby": name }, Object.entries(choices).map(([value, label]) =>
          h("label", {}, h("input", { type: "radio", name, value, props: { checked: board.tool[key] === value }, onchange: () => board.take({ [key]: value }) }),
            h("span", {}, label)))));
    };
    this.size = h("input", { type: "range", class: "slider", min: 1, max: Math.max(2, Math.round(board.largest / 2)), step: 1,
      oninput: () => board.take({ size: Number(this.size.value) }) });
    this.amount = h("output", {});
    this.again = h("button", { type: "button", onclick: () => board.pick() }, "Copy from elsewhere");
    return h("div", { class: "brush-tools", role: "group", "aria-label": "Brush" },
      group("Tool", "shape", { brush: "Brush", rectangle: "Rectangle", eraser: "Eraser" }),
      group("Paint with", "fill", WORDS),
      h("label", { class: "opacity" }, h("span", { class: "field-title" }, "Size"), this.size, this.amount), this.again);
  }

  /** @param {Painting} painting */
  steps(painting) {
    const step = (/** @type {string} */ label, /** @type {() => void} */ act) => h("button", { type: "button", onclick: act }, label);
    this.undo = step("Undo", () => painting.undo());
    this.redo = step("Redo", () => painting.redo());
    this.clear = step("Clear", () => painting.clear());
    return h("div", { class: "brush-buttons", role: "group", "aria-label": "Steps" }, this.undo, this.redo, this.clear);
  }

  keeping() {
    const open = h("input", { type: "file", accept: ".json,application/json", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true",
      onchange: async () => {
        const [file] = open.files;
        if (!file) return;
        const text = await file.text();
        open.value = "";
        this.take(() => {
          const found = JSON.parse(text);
          return checked(found.edit ?? found);
        }, `${file.name} holds no edit that fits this picture.`);
      } });
    const link = h("button", { type: "button", onclick: () => this.copy(link) }, icon("link"), h("span", {}, "Copy link"));
    return h("div", { class: "brush-buttons", role: "group", "aria-label": "Keep" },
      h("button", { type: "button", onclick: () => this.savePicture() }, icon("down"), "PNG"),
      h("button", { type: "button", onclick: () => this.saveRecord() }, icon("down"), "JSON"),
      h("button", { type: "button", onclick: () => open.click() }, icon("upload"), "Open JSON"), link, open);
  }

  legend() {
    return h("p", { class: "moved-legend", "aria-hidden": "true" }, h("span", { class: "bar-fill was" }), "before", h("span", { class: "bar-fill is" }), "now");
  }

  sync() {
    const { board, painting } = this;
    if (!board || !painting) return;
    fill(this.hint, board.hint || "\u00a0");
    this.size.value = String(board.tool.size);
    this.amount.textContent = `${board.tool.size} px`;
    this.again.hidden = board.tool.fill !== "clone" || board.tool.shape === "eraser";
    this.undo.disabled = !painting.past.length;
    this.redo.disabled = !painting.future.length;
    this.clear.disabled = !painting.painted;
  }

  /**
   * Takes over an edit from a file or an address.
   *
   * @param {() => EditData} read
   * @param {string} otherwise what to say where it is none
   */
  take(read, otherwise) {
    try {
      this.painting?.load(read());
    } catch (error) {
      const reason = error instanceof Error && !(error instanceof SyntaxError) ? error.message : "It is no JSON.";
      fill(this.trouble, problem({ code: "bad-edit", message: otherwise, hint: reason }));
    }
  }

  /** @returns {string} the address of this result with what is painted; "" where that is too much for one */
  address() {
    const text = toTextOf(this.painting?.data() ?? null);
    const path = `/results/${encodeURIComponent(this.result.key)}`;
    if (text.length > LONGEST) return "";
    return path + (text ? `${MARK}${this.result.key.slice(0, 12)}/${text}` : "");
  }

  /** Keeps what is painted in the page's address, so that a reload loses nothing. */
  remember() {
    const address = this.address();
    if (!location.pathname.startsWith("/results/")) return;
    const hash = address && new URL(address, location.href).hash;
    history.replaceState(history.state, "", location.pathname + location.search + hash);
    if (!address) announce("This is too detailed for the address; save it as JSON to keep it.");
  }

  /** @param {HTMLElement} button */
  async copy(button) {
    const label = /** @type {HTMLElement} */ (button.querySelector("span"));
    const address = this.address();
    const whole = address && new URL(address, location.href).href;
    try {
      if (whole) await navigator.clipboard.writeText(whole);
      label.textContent = whole ? "Copied" : "Too detailed for a link: save it as JSON";
    } catch {
      label.textContent = "Copy it from the address bar";
    }
    announce(label.textContent ?? "");
    setTimeout(() => (label.textContent = "Copy link"), 2500);
  }

  savePicture() {
    this.board?.compose();
    this.board?.picture.toBlob((/** @type {Blob} */ blob) => this.save(blob, "png"), "image/png");
  }

  saveRecord() {
    const { document, picture, key } = this.result;
    const { model, moved = [], painted = 0 } = this.reply ?? {};
    const record = {
      format: 1,
      model: { name: document.model.name, digest: model },
      picture: { name: picture.name, digest: picture.digest },
      visualization: document.visualization.name, result: key, at: document.at ?? null,
      edit: this.reply?.edit ?? null, painted, moved,
      map: Object.fromEntries([...(this.predictions ?? [])].map(([target, { kind, total, mean }]) =>
        [target, { kind, total, mean: Number.isFinite(mean) ? mean : null }])),
    };
    this.save(new Blob([JSON.stringify(record, null, 2)], { type: "application/json" }), "json");
  }

  /**
   * @param {Blob} blob
   * @param {string} ending
   */
  save(blob, ending) {
    const address = URL.createObjectURL(blob);
    const stem = this.result.picture.name.replace(/\.[^.]*$/, "");
    h("a", { href: address, download: `${stem}.what-if.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }
}

/** @param {EditData | null} edit */
function toTextOf(edit) {
  return edit ? toText(edit) : "";
}

customElements.define("picasso-what-if", PicassoWhatIf);
