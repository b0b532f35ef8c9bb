/** /history: every stored result, by model and visualization; each can be deleted. Audits, comparisons and films stand above them. */

import { get, list, remove } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { ago, number, percent, plural } from "../format.js";
import { outcomeSign } from "../parts/outcome.js";
import { problem } from "../parts/problem.js";

const PAGE = 60;
const MOST = 500;
const AUDITS = 12;

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const dialog = /** @type {HTMLDialogElement} */ (place("confirm"));
const query = new URLSearchParams(location.search);
const chosen = { model: query.get("model") ?? "", visualization: query.get("visualization") ?? "" };
const visualizations = list("/visualizations");
let limit = PAGE;

/** @param {any} result */
function tile(result) {
  const { key, picture, predictions, model, title, created, at } = result;
  const best = predictions?.[0];
  const certain = best && (best.probability >= 0 && best.probability <= 1 ? percent(best.probability) : number(best.probability));
  const item = h("li", { class: "tile" },
    h("a", { class: "tile-link", href: `/results/${encodeURIComponent(key)}` },
      h("span", { class: "tile-picture" }, picture
        ? h("img", { src: picture.thumbnail, alt: "", width: 200, height: 200, loading: "lazy" })
        : h("span", { class: "tile-alone" }, title)),
      h("span", { class: "tile-name" }, about(result)),
      best && h("span", {}, `${best.label} ${certain}`),
      at && h("span", { class: "muted" }, spot(at)),
      h("span", { class: "muted" }, title), h("span", { class: "muted" }, model), h("span", { class: "muted" }, ago(created))),
    h("button", {
      type: "button", class: "tile-delete icon-only quiet", title: "Delete", "aria-label": `Delete ${title} of ${about(result)}`,
      onclick: () => ask(result, item),
    }, icon("trash")));
  return item;
}

/** @param {any} result */
function about({ picture, model }) {
  return picture?.name ?? model;
}

/**
 * @param {string} at a detection, a pixel, or left, top, width and height
 */
function spot(at) {
  if (at.startsWith("channel=")) return `channel ${at.slice(8)}`;
  const [left, top, width, height] = at.split(",");
  return at.startsWith("#") ? `detection ${at.slice(1)}` : `at ${left}, ${top}${width ? `, ${width} \u00d7 ${height}` : ""}`;
}

/**
 * @param {any} result
 * @param {HTMLElement} item
 */
function ask(result, item) {
  place("confirm-what").textContent =
    result.picture
    ? `${result.title} of ${result.picture.name} by ${result.model}. The picture stays; the maps can be computed again.`
    : `${result.title} of ${result.model}. The model stays; it can be computed again.`;
  dialog.returnValue = "";
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "delete") return;
    try {
      await remove(`/results/${encodeURIComponent(result.key)}`);
      const next = /** @type {HTMLElement | null} */ ((item.nextElementSibling ?? item.previousElementSibling)?.querySelector("a"));
      item.remove();
      announce("Deleted.");
      if (next) next.focus();
      else load();
    } catch (error) {
      fill(place("state"), problem(error));
    }
  }, { once: true });
  dialog.showModal();
}

async function filters() {
  const [models, known] = await Promise.all([list("/models"), visualizations]);
  /** @type {[keyof typeof chosen, string, [string, string][]][]} */
  const selects = [
    ["model", "Model", models.map((one) => [one.name, one.name])],
    ["visualization", "Visualization", known.filter((one) => !one.error).map((one) => [one.name, one.title])],
  ];
  fill(place("filters"), selects.map(([key, label, options]) =>
    h("label", {}, h("span", { class: "field-title" }, label),
      h("select", {
        onchange: (/** @type {Event} */ event) => {
          chosen[key] = /** @type {HTMLSelectElement} */ (event.target).value;
          limit = PAGE;
          const next = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
          history.replaceState(null, "", next.size ? `?${next}` : location.pathname);
          load();
        },
      }, h("option", { value: "" }, "all"),
      options.map(([value, name]) => h("option", { value, props: { selected: value === chosen[key] } }, name))))));
}

/**
 * Audits are of a model and no visualization: where one is chosen, there are none to show.
 * @returns {Promise<number>} how many are shown
 */
async function audits() {
  const found = chosen.visualization ? [] : await list(`/audits?${wanted(AUDITS)}`);
  place("audits").hidden = !found.length;
  fill(place("audit-list"), found.map((one) => h("li", {},
    outcomeSign(one.outcome), h("a", { href: one.page }, h("b", {}, one.headline)),
    h("span", { class: "muted" }, `${one.model} on ${plural(one.pictures, "picture")} of ${one.dataset} \u00b7 ${ago(one.created)}`))));
  return found.length;
}

/** @returns {Promise<number>} how many comparisons are shown; they are of several visualizations, as audits are of none */
async function comparisons() {
  const found = chosen.visualization ? [] : await list(`/comparisons?${wanted(AUDITS)}`);
  place("comparisons").hidden = !found.length;
  fill(place("comparison-list"), found.map((one) => h("li", {},
    h("a", { href: one.page }, h("b", {}, one.titles.join(", "))),
    h("span", { class: "muted" }, `${one.model} on ${plural(one.pictures.length, "picture")} \u00b7 ${ago(one.created)}`))));
  return found.length;
}

/**
 * @param {number} most
 * @returns {URLSearchParams} what is asked for: the newest of those that were chosen
 */
function wanted(most) {
  return new URLSearchParams({ limit: String(most), ...Object.fromEntries(Object.entries(chosen).filter(([, value]) => value)) });
}

/** @returns {Promise<number>} how many films are shown, also of those that were stopped: their video is still here */
async function films() {
  const [found, known] = await Promise.all([list(`/films?${wanted(AUDITS)}`), visualizations.catch(() => [])]);
  const titles = new Map(known.map((one) => [one.name, one.title]));
  place("films").hidden = !found.length;
  fill(place("film-list"), found.map((one) => h("li", {},
    h("a", { href: `/jobs/${encodeURIComponent(one.id)}` }, h("b", {}, one.video.name)),
    h("span", { class: "muted" }, `${titles.get(one.visualization) ?? one.visualization} by ${one.model} \u00b7 ${one.film ? plural(one.film.frames, "frame") : one.state} \u00b7 ${ago(one.created)}`))));
  return found.length;
}

async function load() {
  const audited = audits().catch(() => {
    place("audits").hidden = true;
    return 0;
  });
  const compared = comparisons().catch(() => {
    place("comparisons").hidden = true;
    return 0;
  });
  const filmed = films().catch(() => {
    place("films").hidden = true;
    return 0;
  });
  try {
    const [{ results }, ...others] = await Promise.all([get(`/results?${wanted(limit)}`), audited, compared, filmed]);
    const filtered = Boolean(chosen.model || chosen.visualization);
    fill(place("results"), results.map(tile));
    place("filters").hidden = !results.length && !filtered;
    place("more").hidden = results.length < limit || limit >= MOST;
    fill(place("state"), !results.length && (filtered
      ? h("div", { class: "empty" }, h("h2", {}, "No such result"), h("p", {}, "Choose another model or visualization."))
      : !others.some(Boolean) && h("div", { class: "empty" }, h("h2", {}, "Nothing here yet"), h("p", {}, "What you compute is kept here."),
        h("a", { class: "button primary", href: "/explain" }, "Explain a picture"))));
  } catch (error) {
    fill(place("state"), problem(error, { label: "Try again", act: load }));
  } finally {
    place("results").removeAttribute("aria-busy");
  }
}

place("more").addEventListener("click", () => {
  limit = Math.min(MOST, limit + PAGE);
  load();
});
await Promise.all([load(), filters().catch(() => null)]);
