/** Step 2 of an audit: the data sets that the server knows, and the form that adds one where it may. */

import { asApiError, list, post, remove } from "../api.js";
import { announce, fill, focusOn, h, icon } from "../dom.js";
import { problem } from "./problem.js";

/** @typedef {{name: string, path: string, added: boolean}} Dataset */

/** Events: "change" when another data set is chosen. */
export class DatasetList extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {{allowAdd: boolean}} options
   */
  constructor(place, { allowAdd }) {
    super();
    this.place = place;
    this.allowAdd = allowAdd;
    /** @type {Dataset[]} */
    this.datasets = [];
    this.chosen = "";
    this.path = h("input", {
      type: "text", id: "dataset-path", autocomplete: "off", spellcheck: "false", "aria-describedby": "dataset-hint dataset-error",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        this.add();
      },
    });
    this.file = h("input", { type: "file", id: "dataset-file", accept: ".zip,application/zip", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", onchange: () => this.send() });
    this.error = h("p", { class: "field-error", id: "dataset-error", role: "alert", hidden: true });
    this.form = this.allowAdd && h("div", { class: "dataset-add" },
      h("label", { class: "field-title", for: "dataset-path" }, "Add a data set"),
      h("div", { class: "dataset-add-row" }, this.path,
        h("button", { type: "button", onclick: () => this.add() }, "Add"),
        h("button", { type: "button", onclick: () => this.file.click() }, icon("upload"), "Send a zip")),
      h("p", { class: "field-hint", id: "dataset-hint" }, "A path on the computer that runs Picasso: a folder with one folder of pictures for each class, a CSV or COCO file, a zip"),
      this.file, this.error);
  }

  /** @returns {Dataset | undefined} */
  get dataset() {
    return this.datasets.find((one) => one.name === this.chosen);
  }

  /** @param {string} [wanted] the data set to choose, where it exists */
  async load(wanted = this.chosen) {
    try {
      this.datasets = await list("/datasets");
    } catch (error) {
      fill(this.place, problem(error, { label: "Try again", act: () => this.load(wanted) }));
      return;
    } finally {
      this.place.removeAttribute("aria-busy");
    }
    const known = this.datasets.some((one) => one.name === wanted);
    const before = this.chosen;
    this.chosen = known ? wanted : this.datasets[0]?.name ?? "";
    this.draw();
    if (before !== this.chosen) this.dispatchEvent(new Event("change"));
  }

  /** @param {string} name */
  choose(name) {
    if (name === this.chosen) return;
    this.chosen = name;
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    const focused = this.place.querySelector("[role=radiogroup]")?.contains(document.activeElement);
    fill(this.place,
      this.datasets.length > 0 && h("div", { role: "radiogroup", "aria-labelledby": "step-dataset", class: "cards" },
        this.datasets.map((one) => this.card(one))),
      !this.datasets.length && h("div", { class: "empty small-empty" }, h("p", {}, "No data set yet. Start Picasso with one:"),
        h("pre", { tabindex: "0" }, h("code", {}, "picasso serve --dataset pictures/"))),
      this.form);
    if (focused) focusOn(this.place, "input:checked");
  }

  /** @param {Dataset} dataset */
  card({ name, path, added }) {
    const chosen = name === this.chosen;
    return h("div", { class: ["card", "dataset-card", chosen && "chosen"], "data-dataset": name },
      h("label", { class: "dataset-label" },
        h("input", { type: "radio", name: "dataset", value: name, props: { checked: chosen }, onchange: () => this.choose(name) }),
        h("span", { class: "card-body" }, h("span", { class: "card-title" }, name),
          path !== name && h("span", { class: "card-facts" }, path))),
      added && this.allowAdd && h("button", {
        type: "button", class: "icon-only quiet", "aria-label": `Remove ${name}`, title: "Remove", onclick: () => this.forget(name),
      }, icon("trash")));
  }

  async add() {
    const path = this.path.value.trim();
    if (!path) return this.say("Give the path of a folder or a file.");
    await this.added(() => post("/datasets", { path }), this.path);
  }

  async send() {
    const [file] = this.file.files ?? [];
    if (!file) return;
    const name = file.name.replace(/\.zip$/i, "");
    if (this.datasets.some((one) => one.name === name)) {
      // The server says so, too, but a browser listens only when it has sent everything.
      this.file.value = "";
      return this.say(`There is a data set '${name}' already. Rename the file, or remove that one first.`);
    }
    const form = new FormData();
    form.append("file", file);
    announce(`Sending ${file.name}.`);
    await this.added(() => post(`/datasets/archives?name=${encodeURIComponent(name)}`, form), null);
    this.file.value = "";
  }

  /**
   * @param {() => Promise<Dataset>} submit
   * @param {HTMLInputElement | null} field
   */
  async added(submit, field) {
    this.say("");
    try {
      const { name } = await submit();
      if (field) field.value = "";
      announce(`Added ${name}.`);
      await this.load(name);
    } catch (error) {
      const { message, hint } = asApiError(error);
      this.say(`${message} ${hint}`.trim());
      field?.focus();
    }
  }

  /** @param {string} text */
  say(text) {
    this.error.textContent = text;
    this.error.hidden = !text;
  }

  /** @param {string} name */
  async forget(name) {
    try {
      await remove(`/datasets/${encodeURIComponent(name)}`);
      announce(`Removed ${name}.`);
    } catch (error) {
      this.say(asApiError(error).message);
    }
    await this.load();
    focusOn(this.place, "input:checked");
  }
}
