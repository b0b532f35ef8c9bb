/** /models: what is known of each model; the form to add one where the server allows it. */

import { asApiError, list, post, remove } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { inputSize } from "../format.js";
import { auditHref } from "../parts/audit-address.js";
import { networkHref } from "../parts/network-address.js";
import { problem } from "../parts/problem.js";
import { sentence } from "../parts/record.js";

/** @typedef {import("../types.js").Model & {added?: boolean}} Model */

const POLL_MS = 700;
const LABELS_SHOWN = 12;
/** @type {Record<string, string>} */
const TASKS = {
  classification: "classification: it answers for the whole picture",
  segmentation: "segmentation: it answers for each pixel",
  detection: "detection: it answers for each box",
};
const WORDS = { new: "not opened yet", opening: "opening\u2026", ready: "ready", failed: "failed to open" };
const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const form = /** @type {HTMLFormElement | null} */ (document.getElementById("add"));
/** @type {Set<string>} sections that the reader has opened */
const opened = new Set();
let timer = 0;

/** @param {Model} model */
function entry(model) {
  const { name, source, state, error, card } = model;
  return h("article", { class: "entry", id: name },
    h("header", {}, h("h2", {}, name),
      h("span", { class: ["tag", state === "failed" && "bad"] }, h("span", { class: "dot inline", "data-state": state }), WORDS[state]),
      h("div", { class: "entry-actions" },
        state === "ready"
          ? [
            h("a", { class: "button", href: `/explain?model=${encodeURIComponent(name)}` }, "Use it"),
            h("a", { class: "button", href: networkHref({ model: name }) }, "Look inside"),
            card?.task === "classification" && h("a", { class: "button", href: auditHref({ model: name }) }, "Audit it"),
          ]
          : state !== "opening" && h("button", { type: "button", onclick: () => open(name) }, state === "failed" ? "Try again" : "Open"),
        form && model.added && h("button", { type: "button", class: "danger", onclick: () => forget(name) }, "Remove"))),
    error && state === "failed" && problem(error),
    h("dl", { class: "facts" },
      source !== name && row("Source", h("code", {}, source)),
      card && facts(card)),
    card && details(name, card));
}

/** @param {string} name @param {any} value */
const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

/** @param {import("../types.js").Card} card */
function facts(card) {
  const labels = card.labels.slice(0, LABELS_SHOWN).join(" · ");
  return [
    row("Framework", card.framework),
    row("Task", TASKS[card.task] ?? card.task),
    row("Input", inputSize(card.input_shape)),
    row(`Classes (${card.labels.length})`, card.labels.length > LABELS_SHOWN ? `${labels}, \u2026` : labels),
    row("Head", `${card.head}; scores are ${card.score_units}s`),
    row("Parameters", card.parameters.toLocaleString("en-US")),
    row("Preprocessing", card.preprocessing ? sentence(card.preprocessing) : "the model file's own hook"),
    card.notes.length > 0 && row("How this was found", card.notes.join(" ")),
    row("Can do", card.capabilities.join(", ")),
  ].flat(2).filter(Boolean);
}

/**
 * @param {string} name
 * @param {import("../types.js").Card} card
 */
function details(name, card) {
  if (!card.layers.length) return h("p", { class: "small muted" }, "This model does not show its layers.");
  return h("details", {
    props: { open: opened.has(name) },
    ontoggle: (/** @type {Event} */ event) =>
      /** @type {HTMLDetailsElement} */ (event.target).open ? opened.add(name) : opened.delete(name),
  },
  h("summary", {}, `Layers (${card.layers.length}) in the order of execution`),
  h("div", { class: "scroll tall", tabindex: "0", role: "group", "aria-label": `Layers of ${name}` }, h("table", { class: "data" },
    h("thead", {}, h("tr", {}, ["Name", "Kind", "Output"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, card.layers.map((layer) => h("tr", {},
      h("th", { scope: "row" }, h("code", {}, layer.name), layer.name === card.default_layer && h("span", { class: "tag" }, "class activation maps")),
      h("td", {}, layer.kind), h("td", {}, layer.shape.join(" \u00d7 "))))))));
}

async function load() {
  clearTimeout(timer);
  try {
    const models = /** @type {Model[]} */ (await list("/models"));
    fill(place("list"), models.map(entry));
    fill(place("state"), !models.length && h("div", { class: "empty" }, h("h2", {}, "No model yet"),
      h("p", {}, "Start Picasso with one:"), h("pre", {}, h("code", {}, "picasso serve --model my_model.keras"))));
    if (models.some((model) => model.state === "opening")) timer = window.setTimeout(load, POLL_MS);
  } catch (error) {
    fill(place("state"), problem(error, { label: "Try again", act: load }));
  } finally {
    place("list").removeAttribute("aria-busy");
  }
}

/** @param {string} name */
async function open(name) {
  try {
    await post(`/models/${encodeURIComponent(name)}/open`);
    announce(`Opening ${name}.`);
  } catch (error) {
    fill(place("state"), problem(error));
  }
  timer = window.setTimeout(load, 150);
}

/** @param {string} name */
async function forget(name) {
  try {
    await remove(`/models/${encodeURIComponent(name)}`);
    announce(`Removed ${name}.`);
  } catch (error) {
    fill(place("state"), problem(error));
  }
  load();
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  const source = /** @type {HTMLInputElement} */ (form.elements.namedItem("source"));
  const message = place("source-error");
  const say = (/** @type {string} */ text) => {
    message.textContent = text;
    message.hidden = !text;
    source.toggleAttribute("aria-invalid", Boolean(text));
    if (text) source.setAttribute("aria-invalid", "true");
    if (text) source.focus();
  };
  if (!values.source) return say("Give the path of a model.");
  say("");
  try {
    const model = await post("/models", values);
    form.reset();
    await open(model.name);
  } catch (error) {
    const { message: text, hint } = asApiError(error);
    say(`${text} ${hint}`.trim());
  }
});

await load();
