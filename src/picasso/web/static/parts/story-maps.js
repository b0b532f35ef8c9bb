/** The maps of both detectors for one picture, computed live, side by side under one color scale. */

import { follow, get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { wholePercent } from "../format.js";
import * as heatmap from "../panels/heatmap.js";
import { problem } from "./problem.js";

/** @typedef {import("./story-types.js").Story} Story */
/** @typedef {import("../types.js").HeatmapWire} HeatmapWire */

const MODELS = [
  { name: "demo:tank-proxy", key: /** @type {const} */ ("tank-proxy"), title: "Detector A" },
  { name: "demo:tank-honest", key: /** @type {const} */ ("tank-honest"), title: "Detector B" },
];
const VISUALIZATION = "partial-occlusion";
const SETTINGS = { window: "30%", stride: "6%" };

export class MapChapter {
  /** @param {Story} story */
  constructor(story) {
    this.story = story;
    this.button = /** @type {HTMLButtonElement} */ (document.getElementById("compute"));
    this.figure = /** @type {HTMLElement} */ (document.getElementById("map-figure"));
    this.state = /** @type {HTMLElement} */ (document.getElementById("map-state"));
    this.scene = "tank";
    this.turn = 0;
    this.button.addEventListener("click", () => this.compute());
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[name=map-scene]"))) {
      if (input.checked) this.scene = input.value;
      input.addEventListener("change", () => {
        this.scene = input.value;
        this.preview();
      });
    }
    this.preview();
    this.warmUp();
  }

  /** Opens both models at the first sign of a reader: most of the wait would be the framework's start. */
  warmUp() {
    const signs = ["pointermove", "pointerdown", "keydown", "scroll"];
    const open = () => {
      for (const sign of signs) removeEventListener(sign, open);
      // Where it fails, computing says why.
      for (const { name } of MODELS) post(`/models/${encodeURIComponent(name)}/open`).catch(() => null);
    };
    for (const sign of signs) addEventListener(sign, open, { passive: true });
  }

  /** @returns {import("./story-types.js").Shot} the tank under clouds, or the decoy in the sun */
  get shot() {
    const frames = this.story.scenes.find((one) => one.name === this.scene)?.frames.filter((one) => !one.erased) ?? [];
    const sorted = [...frames].sort((a, b) => a.cloudiness - b.cloudiness);
    return this.scene === "tank" ? sorted[sorted.length - 1] : sorted[0];
  }

  /** Shows how it is done: a gray square walks over the picture. */
  preview() {
    this.turn += 1;
    this.view?.close();
    this.view = null;
    this.button.disabled = false;
    this.button.textContent = "Compute it now";
    fill(this.state);
    const { shot } = this;
    fill(this.figure, h("div", { class: "occlusion-preview" }, MODELS.map(({ key, title }) =>
      h("div", { class: "pane-column" },
        h("div", { class: "pane-head" }, h("span", { class: "pane-target" }, title),
          h("span", { class: "pane-method" }, `says tank ${wholePercent(shot.tank_probability[key])}`)),
        h("div", { class: "walked" },
          h("img", { src: `/story-assets/${shot.file}`, alt: `${this.scene === "tank" ? "A tank under clouds" : "A decoy in the sun"}`, width: 256, height: 256 }),
          h("span", { class: "walker", "aria-hidden": "true" }))))));
  }

  async compute() {
    this.turn += 1;
    const { turn } = this;
    const current = () => turn === this.turn;
    this.button.disabled = true;
    this.button.textContent = "Computing\u2026";
    const started = performance.now();
    try {
      const picture = await this.upload();
      /** @type {HeatmapWire[][]} */
      const panels = MODELS.map(() => []);
      /** @type {Record<string, string>} */
      const words = {};
      /** @type {Record<string, any>} */
      const standings = {};
      const say = (/** @type {number} */ i, /** @type {string} */ text) => {
        words[MODELS[i].title] = text;
        if (current()) this.state.textContent = Object.entries(words).map(([name, one]) => `${name}: ${one}`).join(" \u00b7 ");
      };
      await Promise.all(MODELS.map(async (model, i) => {
        say(i, "waiting for the model\u2026");
        await run(model.name, picture.digest, {
          progress: ({ done, total, message }) => say(i, message || `${done} of ${total} squares`),
          tested: (/** @type {any} */ one) => (standings[model.title] = one),
          panels: (wires) => {
            panels[i] = wires;
            if (current() && panels.every((one) => one.length)) this.show(panels.map(([one]) => one), picture);
          },
        });
        say(i, "done");
      }));
      if (!current()) return;
      const seconds = (performance.now() - started) / 1000;
      fill(this.state, `Computed in ${seconds.toFixed(1)} seconds on this computer. Red: covering this hurts the answer. `,
        "Move over the maps to read the values. ",
        [...new Set(Object.entries(standings).map(([name, one]) => standing(name, one, standings)))].join(" "));
      announce("Both maps are computed.");
    } catch (error) {
      if (current()) fill(this.state, problem(error));
    } finally {
      if (current()) {
        this.button.disabled = false;
        this.button.textContent = "Compute again";
      }
    }
  }

  async upload() {
    const { shot } = this;
    const answer = await fetch(`/story-assets/${shot.file}`);
    const form = new FormData();
    form.append("files", new File([await answer.blob()], shot.file, { type: "image/webp" }));
    const { pictures } = await post("/pictures", form);
    if (pictures[0].error) throw pictures[0].error;
    return pictures[0];
  }

  /**
   * @param {HeatmapWire[]} wires one of each model
   * @param {import("../types.js").Picture} picture
   */
  show(wires, picture) {
    // Maps that are compared share their scale: the wider limits hold for both.
    const high = Math.max(...wires.map((wire) => wire.limits[1]));
    const panels = wires.map((wire, i) => ({
      ...wire, id: `map-${i}`, rank: i, limits: /** @type {[number, number]} */ ([-high, high]),
      target: MODELS[i].title,
    }));
    if (this.view) this.view.update(panels);
    else {
      this.view = heatmap.mount(panels, {
        picture, title: `for \u201c${wires[0].target}\u201d`, compare: true, listing: () => null,
        fail: (error) => fill(this.state, problem(error)),
      });
      fill(this.figure, this.view.element);
    }
  }
}

/**
 * @param {string} name of a model
 * @param {any} tested what is known of its map
 * @param {Record<string, any>} all
 * @returns {string} in a sentence; one for both models where the same holds of them
 */
function standing(name, tested, all) {
  if (tested.standing === "warned") return `${name}: ${tested.sentence}`;
  const same = Object.values(all).every((one) => one.sentence === tested.sentence);
  if (tested.standing === "untested") return same ? "Both maps are untested." : `${name}: untested.`;
  return `${name}: ${tested.sentence}.`;
}

/**
 * Runs partial occlusion of the model's answer and shows its maps as they come.
 *
 * @param {string} model
 * @param {string} picture
 * @param {{progress: (data: any) => void, panels: (wires: HeatmapWire[]) => void, tested: (one: any) => void}} show
 */
async function run(model, picture, show) {
  const job = await post("/jobs", { model, pictures: [picture], visualization: VISUALIZATION, settings: SETTINGS, top: 1, seed: 0 });
  const stored = async (/** @type {string} */ key) => {
    const { panels, document } = await get(`/results/${encodeURIComponent(key)}`);
    show.tested(document.tested);
    show.panels(panels.filter((/** @type {any} */ panel) => panel.kind === "heatmap"));
  };
  if (job.state === "done") return stored(job.tasks[0].result);
  return new Promise((resolve, reject) => {
    let shown = Promise.resolve();
    follow(job.id, {
      progress: show.progress,
      panel: ({ panel }) => panel.kind === "heatmap" && show.panels([panel]),
      result: ({ key }) => (shown = stored(key)),
      end: ({ state, error }) => {
        if (state === "done") shown.then(() => resolve(undefined), reject);
        else reject(error ?? { code: "canceled", message: "The run was canceled.", hint: "Compute again." });
      },
    });
  });
}
