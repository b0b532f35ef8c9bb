/** The record of every choice behind a result, and the same run as Python. */

import { list } from "../api.js";
import { h } from "../dom.js";
import { number, percent, plural } from "../format.js";

/**
 * @param {any} document the result's document
 * @returns {HTMLElement}
 */
export function record(document) {
  const { model = {}, visualization = {}, settings = {}, picture, versions = {} } = document;
  /** @type {[string, any][]} */
  const rows = [
    ["Model", `${model.name}, ${model.framework}, head ${model.head}, scores are ${model.score_units}s`],
    ["Model digest", shortened(model.digest)],
    ["Visualization", `${visualization.title}, version ${visualization.version}`],
    ["References", (visualization.references ?? []).join("; ")],
    ...Object.entries(settings).map(([name, value]) =>
      /** @type {[string, any]} */ ([`Setting: ${name}`, value === null ? "automatic" : String(value)])),
    ["Explained", (document.attributions ?? []).map((/** @type {any} */ one) =>
      `${one.target} (score ${number(one.score)}${one.baseline ? `, baseline ${one.baseline}` : ""}` +
      `${one.convergence_error !== null && one.convergence_error !== undefined
        ? `, convergence error ${number(one.convergence_error)}` : ""})`).join("; ")],
    ["Best classes", (document.predictions ?? []).slice(0, 5).map((/** @type {any} */ one) =>
      `${one.label} ${model.head === "none" ? number(one.probability) : percent(one.probability)}`).join(" · ")],
    ["Where", document.asked ?? ""],
    ["Picture", picture ? `${picture.name}, ${picture.width} \u00d7 ${picture.height}` : ""],
    ["Picture digest", shortened(picture?.digest)],
    ["Picture notes", (picture?.notes ?? []).join(" ")],
    ["Preprocessing", model.preprocessing ? sentence(model.preprocessing) : "the model file's own hook"],
    ["Model notes", (model.notes ?? []).join(" ")],
    ["Seed", String(document.seed ?? "")],
    ["Computed in", document.seconds === undefined ? "" : `${document.seconds} s`],
    ["Versions", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
  const details = h("details", { class: "record" }, h("summary", {}, "Every choice behind this result"));
  // Few of a hundred results are looked up so closely: the rest is made when it is opened.
  details.addEventListener("toggle", async () => {
    const code = h("code", {}, python(document, model.name));
    details.append(
      h("dl", {}, rows.filter(([, value]) => value !== "" && value !== null).flatMap(([name, value]) =>
        [h("dt", {}, name), h("dd", {}, value)])),
      h("h3", {}, "The same in Python"),
      h("pre", { tabindex: "0", "aria-label": "Python code" }, code));
    // Python opens a model by its source; the record only holds its name.
    const models = await list("/models").catch(() => []);
    const source = models.find((one) => one.name === model.name)?.source;
    if (source) code.textContent = python(document, source);
  }, { once: true });
  return details;
}

/** @param {string | undefined} digest */
function shortened(digest) {
  return digest ? h("code", { class: "digest", title: digest }, `${digest.slice(0, 16)}\u2026`) : "";
}

/** @param {Record<string, any>} preprocessing */
export function sentence(preprocessing) {
  const { size, resize, color, bands, interpolation, scale, mean, std, short_side: side } = preprocessing;
  const shape = Array.isArray(size) ? `${size[1]} \u00d7 ${size[0]}` : `${size} \u00d7 ${size}`;
  const cut = resize === "crop" && side ? `crop (short side ${side})` : resize;
  const channels = bands ?? Math.max([mean].flat().length, [std].flat().length);
  const colors = color === "values" ? `the file's own values (${plural(channels, "channel")})` : color === "grey" ? "gray" : color;
  const list = (/** @type {number[] | number} */ values) => [values].flat().map((value) => number(value)).join(", ");
  return `${cut} to ${shape}, ${interpolation}, ${colors}; ` +
    `times ${number(scale)}, minus ${list(mean)}, divided by ${list(std)}`;
}

/**
 * @param {any} document
 * @param {string} source
 */
function python(document, source) {
  const literal = (/** @type {any} */ value) =>
    value === null ? "None" : value === true ? "True" : value === false ? "False" : JSON.stringify(value);
  const targets = (document.targets ?? []).map((/** @type {any} */ target) => target.label);
  const channel = /^channel=(.*)$/.exec(document.at ?? "")?.[1];
  const settings = Object.entries(document.settings ?? {}).filter(([, value]) => value !== null)
    .map(([name, value]) => `    ${name}=${literal(value)},\n`).join("");
  return "import picasso\n\n" +
    `model = picasso.load_model(${literal(source ?? "")})\n` +
    "result = picasso.explain(\n    model,\n" +
    (document.picture
      ? `    ${literal(document.picture.name)},\n    ${literal(document.visualization?.name ?? "")},\n${channel ? "" : `    target=${literal(targets)},\n`}`
      : `    visualization=${literal(document.visualization?.name ?? "")},\n`) +
    `${channel ? `    channel=${literal(channel)},\n` : document.at ? `    at=${literal(document.at)},\n` : ""}    seed=${document.seed ?? 0},\n${settings})\n`;
}
