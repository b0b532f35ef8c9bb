/** Step 3 of an audit: the pictures by class and the model's class for each, what is tested, how long it may take. */

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, plural } from "../format.js";
import { problem } from "./problem.js";

/**
 * @typedef {{pictures: number, classes: {name: string, pictures: number, label: string | null}[], objects: number, columns: string[],
 *   notes: string[], most: number, least: number, interventions: {name: string, title: string, needs: string[]}[]}} Described
 */

const MOST_LISTED = 12;

/** Events: "change" when a choice changes, or more is known. */
export class AuditPlan extends EventTarget {
  /**
   * @param {HTMLElement} place
   * @param {{limit: string, seed: string, model: string, dataset: string, match: Record<string, string>}} asked what the fields hold at
   *   first, "" for the usual; and the model's labels for classes of a data set
   */
  constructor(place, { limit, seed, model, dataset, match }) {
    super();
    this.place = place;
    this.busy = false;
    /** @type {Described | null} */
    this.described = null;
    this.failed = false;
    /** @type {import("../types.js").Model | undefined} */
    this.model = undefined;
    this.name = "";
    /** @type {any[]} audits that were made before */
    this.before = [];
    /** @type {Map<string, Record<string, string>>} labels that were chosen by hand, of each model for each data set */
    this.byHand = new Map([[pair(model, dataset), match]]);
    this.limit = h("input", { type: "number", id: "limit", min: "1", step: "1", value: limit, class: "short", "aria-describedby": "limit-hint", oninput: () => this.told() });
    this.seed = h("input", { type: "number", id: "seed", min: "0", step: "1", value: seed || "0", class: "short", oninput: () => this.told() });
  }

  /** @param {import("../types.js").Model | undefined} model */
  fitTo(model) {
    const before = this.model;
    this.model = model;
    // Which of its classes these are is known once the model is open.
    if (before?.name !== model?.name || before?.card !== model?.card) this.show(this.name);
  }

  /** @param {string} name of a data set; "" for none */
  async show(name) {
    this.name = name;
    this.described = null;
    this.failed = false;
    if (!name) return this.draw();
    fill(this.place, h("p", { class: "muted", role: "status" }, "Reading the data set\u2026",
      name.startsWith("demo:") && " The pictures of the demo are drawn when they are first asked for, which takes a minute."));
    this.told();
    try {
      const { model } = this;
      const described = await get(`/datasets/${encodeURIComponent(name)}${model ? `?${new URLSearchParams({ model: model.name })}` : ""}`);
      if (this.name !== name || this.model !== model) return;
      this.described = described;
      this.draw();
    } catch (error) {
      if (this.name !== name) return;
      this.failed = true;
      fill(this.place, problem(error, { label: "Try again", act: () => this.show(name) }));
      this.told();
    }
  }

  /** @param {any[]} audits */
  remember(audits) {
    this.before = audits;
    this.draw();
  }

  told() {
    if (this.time) fill(this.time, this.estimate());
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {number} how many pictures are audited at most */
  get pictures() {
    if (!this.described) return 0;
    return Math.min(this.described.pictures, Number(this.limit.value) || this.described.most);
  }

  /** @returns {string[]} classes of the data set that the model does not know by name, and that nobody has matched */
  get unmatched() {
    if (!this.described || !this.model?.card) return [];
    return this.described.classes.map(({ name }) => name).filter((name) => !this.matched(name));
  }

  /** @returns {Record<string, string>} the model's label for a class, where it was chosen by hand */
  get chosen() {
    const key = pair(this.model?.name ?? "", this.name);
    const chosen = this.byHand.get(key) ?? {};
    this.byHand.set(key, chosen);
    return chosen;
  }

  /** @param {string} name of a class of the data set */
  matched(name) {
    const known = this.described?.classes.find((one) => one.name === name)?.label;
    const chosen = this.chosen[name];
    return known || (chosen !== undefined && this.model?.card?.labels.includes(chosen) ? chosen : "");
  }

  /** @param {string} name of a class: whether the data set has it and the model does not know it by name */
  asked(name) {
    return this.described?.classes.some((one) => one.name === name && !one.label);
  }

  /** @returns {string} what is missing; "" where the audit can start */
  missing() {
    if (!this.name) return "Choose a data set.";
    if (this.failed) return `${this.name} could not be read.`;
    if (!this.described) return "Reading the data set\u2026";
    const { model } = this;
    if (model?.card && model.card.task !== "classification") return `${model.name} is no classifier: an audit needs one that tells classes apart.`;
    if (this.described.pictures < this.described.least) {
      return `An audit needs at least ${this.described.least} pictures; ${this.name} has ${this.described.pictures}.`;
    }
    if (this.pictures < this.described.least) return `An audit needs at least ${this.described.least} pictures.`;
    if (this.unmatched.length) return "Say which of the model\u2019s classes these are.";
    return "";
  }

  /** @returns {{match: Record<string, string> | null, limit: number | null, seed: number}} */
  choices() {
    const chosen = Object.entries(this.chosen);
    // What the address says may be of classes that are gone.
    const valid = this.described && this.model?.card ? chosen.filter(([name, label]) => this.asked(name) && this.matched(name) === label) : chosen;
    return { match: valid.length ? Object.fromEntries(valid) : null, limit: Number(this.limit.value) || null, seed: Number(this.seed.value) || 0 };
  }

  /** @returns {string} about how long it takes, from the audits that were made before */
  estimate() {
    const same = this.before.filter((one) => one.model === this.model?.name && one.pictures > 0 && one.seconds > 0);
    const known = same.find((one) => one.dataset === this.name) ?? same[0];
    if (!known || !this.described) return "How long it takes is said as soon as the first pictures are measured. An audit that is stopped goes on where it was.";
    const seconds = (known.seconds / known.pictures) * this.pictures;
    return `About ${duration(seconds)}, judging by the last audit of this model.`;
  }

  /** @param {boolean} now whether an audit runs: it says itself how long it will take */
  set working(now) {
    this.busy = now;
    if (this.time) this.time.hidden = now;
  }

  draw() {
    const { described } = this;
    if (!described) {
      if (!this.name) fill(this.place, h("p", { class: "muted" }, "Choose a data set."));
      this.told();
      return;
    }
    const focused = document.activeElement?.id ?? "";
    // Those that nobody knows come first.
    const asked = described.classes.filter(({ name }) => this.asked(name));
    const classes = this.model?.card ? [...asked, ...described.classes.filter(({ label }) => label)] : described.classes;
    const shown = Math.max(MOST_LISTED, this.model?.card ? asked.length : 0);
    this.time = h("p", { class: "small", hidden: this.busy }, this.estimate());
    const needs = (/** @type {string} */ need) => described.interventions.filter((one) => one.needs.includes(need));
    const usable = described.interventions.filter((one) => one.needs.every((need) => (need === "object") === described.objects > 0));
    fill(this.place,
      h("table", { class: "data plan-classes" },
        h("caption", { class: "visually-hidden" }, "Classes of the data set and of the model"),
        h("thead", {}, h("tr", {}, ["Class", "Pictures", "The model\u2019s class"].map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, classes.slice(0, shown).map((one, number) => h("tr", {},
          h("th", { scope: "row" }, one.name), h("td", {}, one.pictures.toLocaleString("en-US")), h("td", {}, this.label(one.name, number)))))),
      classes.length > shown && h("p", { class: "small muted" }, `and ${plural(classes.length - shown, "more class", "more classes")}`),
      described.notes.map((note) => h("p", { class: "small muted" }, note)),
      h("p", { class: "small" }, described.objects > 0
        ? `${described.objects === described.pictures ? "Every picture says" : `${plural(described.objects, "picture")} say`} where its object is: the verdict can be RIGHT or WRONG REASON.`
        : "No picture says where its object is. Regions are found in the pictures alone, and the verdict reads RELIES ON one of them until you say whether it is the object."),
      described.columns.length > 0 && h("p", { class: "small" }, `Columns: ${described.columns.join(", ")}.`),
      usable.length > 0 && h("details", { class: "plan-tests" },
        h("summary", {}, `${plural(usable.length, "kind")} of change, and what the files give away`),
        h("ul", { class: "chips" }, usable.map((one) => h("li", { class: "tag" }, one.title))),
        needs("object").length > 0 && !described.objects && h("p", { class: "small muted" },
          `Not without objects: ${needs("object").map((one) => one.title.toLowerCase()).join(", ")}.`)),
      h("div", { class: "plan-fields" },
        h("div", { class: "field" }, h("label", { class: "field-title", for: "limit" }, "Pictures at most"), this.limit,
          h("p", { class: "field-hint", id: "limit-hint" }, `Drawn evenly over the classes; empty: ${described.most.toLocaleString("en-US")}`)),
        h("div", { class: "field" }, h("label", { class: "field-title", for: "seed" }, "Seed"), this.seed)),
      this.time);
    if (focused) document.getElementById(focused)?.focus();
    this.told();
  }

  /**
   * @param {string} name of a class
   * @param {number} number of its row
   */
  label(name, number) {
    const { card } = this.model ?? {};
    if (!card) return h("span", { class: "muted" }, "not known yet");
    const matched = this.matched(name);
    if (!this.asked(name)) return matched;
    return h("select", {
      id: `match-${number}`, "aria-label": `The model\u2019s class for ${name}`,
      onchange: (/** @type {Event} */ event) => {
        this.chosen[name] = /** @type {HTMLSelectElement} */ (event.target).value;
        this.draw();
      },
    }, h("option", { value: "", props: { disabled: true, selected: !matched } }, "choose\u2026"),
    card.labels.map((label) => h("option", { value: label, props: { selected: label === matched } }, label)));
  }
}

/**
 * @param {string} model
 * @param {string} dataset
 */
function pair(model, dataset) {
  return JSON.stringify([model, dataset]);
}
