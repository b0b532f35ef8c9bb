/** /visualizations: what there is, what each needs, and what is wrong with broken ones. */

import { get, post } from "../api.js";
import { announce, coded, fill, h } from "../dom.js";
import { byFamily } from "../parts/families.js";
import { problem } from "../parts/problem.js";

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const reload = /** @type {HTMLButtonElement} */ (place("reload"));
const ORIGINS = { "built-in": "built in", package: "from a package", folder: "from your folder" };

/** @param {string} text a reference, in which an arXiv number becomes a link */
function reference(text) {
  const found = /arXiv:(\d{4}\.\d{4,5})/.exec(text);
  if (!found) return text;
  const [whole, number] = found;
  const at = text.indexOf(whole);
  return [text.slice(0, at), h("a", { href: `https://arxiv.org/abs/${number}`, rel: "noreferrer" }, whole), text.slice(at + whole.length)];
}

/** @param {VisualizationInfo} one */
function entry(one) {
  const origin = /** @type {Record<string, string>} */ (ORIGINS)[one.origin] ?? one.origin;
  if (one.error) {
    const last = one.error.trim().split("\n").at(-1) ?? "";
    return h("article", { class: "entry broken", id: one.name },
      h("header", {}, h("h3", {}, one.title || one.name), h("span", { class: "tag bad" }, "broken"), h("span", { class: "tag" }, origin)),
      h("p", { class: "problem-message" }, last),
      h("p", { class: "small" }, "Mend ", h("code", {}, one.file), " and reload."),
      h("details", {}, h("summary", {}, "Traceback"), h("pre", { tabindex: "0" }, h("code", {}, one.error))));
  }
  const fields = Object.entries(one.schema?.properties ?? {});
  return h("article", { class: "entry", id: one.name },
    h("header", {}, h("h3", {}, one.title), h("code", { class: "muted" }, one.name), h("span", { class: "tag" }, origin),
      h("div", { class: "entry-actions" },
        h("a", { class: "button", href: `/${one.subject === "model" ? "network?view" : "explain?visualization"}=${encodeURIComponent(one.name)}` }, "Use it"))),
    h("p", {}, one.description),
    one.formula && h("pre", { class: "formula", tabindex: "0", "aria-label": `Formula of ${one.title}` }, h("code", {}, one.formula)),
    h("dl", { class: "facts" },
      one.pitfalls.length > 0 && [h("dt", {}, "Take care"), h("dd", {}, one.pitfalls.map((text) => h("p", {}, text)))],
      one.needs.length > 0 && [h("dt", {}, "Needs"), h("dd", {}, one.needs.join(", "))],
      one.references.length > 0 && [h("dt", {}, "References"), h("dd", {}, one.references.map((text, i) => [i ? "; " : "", reference(text)]).flat(2))],
      one.origin !== "built-in" && [h("dt", {}, "File"), h("dd", {}, h("code", {}, one.file))]),
    fields.length > 0 && h("details", {}, h("summary", {}, `Settings (${fields.length})`),
      h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Settings of ${one.title}` }, h("table", { class: "data" },
        h("thead", {}, h("tr", {}, ["Name", "Default", "Values", "Meaning"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, fields.map(([name, field]) => h("tr", {},
          h("th", { scope: "row" }, h("code", {}, name)),
          h("td", {}, String(one.defaults?.[name] || "automatic")),
          h("td", {}, allowed(field, one.schema)),
          h("td", {}, coded(field.description ?? ""))))))))
  );
}

/**
 * @param {any} field
 * @param {any} schema
 * @returns {string} what a setting may be
 */
function allowed(field, schema) {
  const inner = (field.anyOf ?? [field]).filter((/** @type {any} */ one) => one.type !== "null")[0] ?? field;
  const property = inner.$ref ? schema.$defs?.[inner.$ref.split("/").at(-1)] ?? inner : inner;
  if (/layers$/.test(field.picasso?.choices ?? "")) return "a layer";
  if (property.enum) return property.enum.join(", ");
  if (property.format === "extent") return "32px, 20%";
  const low = property.minimum ?? property.exclusiveMinimum;
  const high = property.maximum ?? property.exclusiveMaximum;
  const range = [low !== undefined ? `from ${low}` : "", high !== undefined ? `to ${high}` : ""].filter(Boolean).join(" ");
  return [{ integer: "whole number", number: "number", boolean: "on, off", string: "text" }[/** @type {string} */ (property.type)] ?? "", range]
    .filter(Boolean).join(" ");
}

/** @param {any} answer */
function draw(answer) {
  const { visualizations, folders = [] } = Array.isArray(answer) ? { visualizations: answer } : answer;
  const known = /** @type {VisualizationInfo[]} */ (visualizations);
  fill(place("folders"), folders.length
    ? ["It is made in ", folders.map((/** @type {string} */ folder) => h("code", {}, folder)), ", with all that a visualization needs. Edit it, and press Reload."].flat()
    : "It writes a file with all that a visualization needs.");
  const sound = byFamily(known.filter((one) => !one.error));
  const broken = known.filter((one) => one.error);
  fill(place("list"), [...(broken.length ? [{ family: "Broken", members: broken }] : []), ...sound].map(({ family, members }) =>
    h("section", { class: "entries", "aria-label": family }, h("h2", {}, family), members.map(entry))));
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function load(fresh = false) {
  reload.disabled = true;
  try {
    draw(await (fresh ? post("/visualizations/reload") : get("/visualizations")));
    fill(place("state"));
    if (fresh) announce("Reloaded.");
  } catch (error) {
    fill(place("state"), problem(error, { label: "Try again", act: () => load(fresh) }));
  } finally {
    place("list").removeAttribute("aria-busy");
    reload.disabled = false;
  }
}

reload.addEventListener("click", () => load(true));
await load();
