/** /audits/{key}: the verdict, the pictures that show it, what hangs on each property, and every choice. */

import { get, post } from "../api.js";
import { announce, fill, h, icon } from "../dom.js";
import { ago, duration, percent, plural, prose } from "../format.js";
import { auditHref } from "../parts/audit-address.js";
import { Pairs } from "../parts/before-after.js";
import { classTable, clues, clusters, evidence, picturesShown, recordOf, untested } from "../parts/findings-parts.js";
import { deletes } from "../parts/delete-dialog.js";
import { Forest } from "../parts/forest.js";
import { outcomeKind } from "../parts/outcome.js";
import { points, span } from "../parts/points.js";
import { problem } from "../parts/problem.js";

const place = /** @type {HTMLElement} */ (document.getElementById("findings"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("confirm"));
const key = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const path = `/audits/${encodeURIComponent(key)}`;

/** @param {any} audit */
function actions({ model, dataset, asked, exports }) {
  const item = (/** @type {string} */ form, /** @type {string} */ name, /** @type {string} */ what) =>
    h("li", {}, h("a", { href: exports[form], download: true }, h("b", {}, name), h("span", {}, what)));
  return h("div", { class: "result-actions" },
    h("a", { class: "button", href: auditHref({ model, dataset, limit: asked.limit, seed: asked.seed, match: asked.match }) }, icon("again"), "Audit again"),
    h("details", { class: "menu" }, h("summary", { class: "button" }, icon("down"), "Export"),
      h("ul", {},
        item("html", "HTML", "one page with everything in it"),
        item("json", "JSON", "every number"),
        item("csv", "CSV", "the pictures to fix"),
        item("zip", "ZIP", "all of these, and pictures to train on"),
        item("npz", "NPZ", "the pictures before and after"))),
    h("button", { type: "button", class: "danger", onclick: () => dialog.showModal() }, icon("trash"), "Delete"));
}

deletes(dialog, path, "/audit", place);

/** @param {any} document */
function verdict({ verdict: said, accuracy, chance, counts, classes }) {
  const { outcome, headline, sentence, reliance, smallest, reasons } = said;
  const figure = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string | HTMLElement} */ more) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), h("span", { class: "muted" }, more)));
  return h("section", { class: ["audit-verdict", outcomeKind(outcome)], "data-outcome": outcome, "aria-labelledby": "headline" },
    h("h1", { id: "headline" }, prose(headline)),
    h("p", { class: "audit-sentence" }, prose(sentence)),
    h("dl", { class: "audit-figures" },
      reliance && figure(`Hangs on ${said.parts?.length ? said.named.phrase : "it"}`, points(reliance.value), ` ${span(reliance)}`),
      figure("Right as they are", percent(accuracy.value), ` chance ${percent(chance)}`),
      figure("Pictures", counts.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0).toLocaleString("en-US"), ` ${plural(classes.length, "class", "classes")}`),
      figure("Drop that it sees every other time", points(smallest), h("span", { class: "hint" }, "A smaller one can go unseen with so many pictures."))),
    h("details", { class: "audit-reasons", open: true }, h("summary", {}, "How this was reached"),
      h("ul", {}, reasons.map((/** @type {string} */ reason) => h("li", {}, prose(reason))))));
}

/**
 * Where only a person can say what is relied on: which of the regions are the object. The audit is made again with that.
 *
 * @param {any} audit
 */
function asking({ document, asked, model, dataset }) {
  const { verdict: said, effects } = document;
  if (said.outcome !== "relies-on") return null;
  /** @type {Map<number, string>} the regions that were found, that which is named first */
  const regions = new Map();
  const shown = effects.filter((/** @type {any} */ one) => one.what.region !== null && one.intervention === "region");
  shown.sort((/** @type {any} */ a, /** @type {any} */ b) => Number(b.what.region === said.named?.region) - Number(a.what.region === said.named?.region));
  for (const one of shown) regions.set(one.what.region, one.what.phrase);
  if (!regions.size) return null;
  /** @type {Record<string, boolean>} */
  const word = { ...asked.confirmed };
  const state = h("div", {});
  const button = h("button", { type: "button", class: "primary", onclick: again }, "Audit again with this");
  async function again() {
    button.disabled = true;
    try {
      const { match, limit, seed } = asked;
      const job = await post("/audits", { model, dataset, match, limit, seed, confirmed: word });
      location.assign(auditHref({ model, dataset, job: job.id }));
    } catch (error) {
      button.disabled = false;
      fill(state, problem(error));
    }
  }
  const change = () => (button.disabled = JSON.stringify(Object.entries(word).sort()) === JSON.stringify(Object.entries(asked.confirmed).sort()));
  change();
  const choice = (/** @type {string} */ name, /** @type {boolean} */ object, /** @type {string} */ words) => h("label", {},
    h("input", {
      type: "radio", name, props: { checked: word[name] === object }, onchange: () => {
        word[name] = object;
        change();
      },
    }), h("span", {}, words));
  return h("section", { class: "audit-asking", "aria-labelledby": "asking-title" },
    h("h2", { id: "asking-title" }, "Which of these is the object?"),
    h("p", {}, "Nobody has said where the objects are, and what the model looks at must not decide it. These regions were found in the pictures alone; your word turns this into a verdict."),
    h("ul", {}, [...regions].map(([number, title]) => {
      const name = `region-${number + 1}`;
      return h("li", {}, h("span", {}, title), h("span", { class: "segmented", role: "radiogroup", "aria-label": title },
        choice(name, true, "This is the object"), choice(name, false, "This is not")));
    })),
    h("p", { class: "buttons" }, button), state);
}

/** @param {any} audit */
function draw(audit) {
  const { document: found, pairs, shown, model, dataset, pictures, created, seconds } = audit;
  document.title = `${found.verdict.headline} \u00b7 ${model} \u00b7 Picasso`;
  const effects = new Map(found.effects.map((/** @type {any} */ one) => [one.what.name, one]));
  const gallery = pairs.length ? new Pairs(pairs, { classes: found.classes, effects, shown, model }) : null;
  const forest = new Forest(found, (property) => {
    if (!gallery?.showOf(property)) return false;
    gallery.element.scrollIntoView({ block: "nearest" });
    announce(`Showing ${effects.get(property).what.title}.`);
    return true;
  });
  fill(place,
    h("header", { class: "page-head" },
      h("div", {}, h("p", {}, h("b", {}, model), ` on ${plural(pictures, "picture")} of `, h("b", {}, dataset), ` \u00b7 ${ago(created)} \u00b7 took ${duration(seconds)}`)),
      actions(audit)),
    h("div", { class: ["audit-first", gallery && "two-columns"] }, h("div", {}, verdict(found), asking(audit)), gallery?.element),
    section("forest", "What hangs on what",
      `Each line: by how many points accuracy falls when this comes from a picture of another class instead of the same one, with 95% confidence. The dashed line is 5 points, under which a property is cleared. Open a line for more.`,
      forest.element),
    section("classes", "By class", "", classTable(found)),
    picturesShown(audit) && section("pictures", "By picture", "", picturesShown(audit)),
    found.clues.length > 0 && section("clues", "What the files give away",
      "Without any model: how well each of these alone tells the classes apart. 0.5 is chance, 1 is every time. Such a clue is what a model can learn instead.", clues(found.clues)),
    evidence(found.extras.evidence) && section("evidence", "Where the evidence is",
      "Which share of what the maps say for a class lies where. Maps do not say what a model relies on: they stand beside what was measured.", evidence(found.extras.evidence)),
    found.extras.clusters?.length > 0 && section("clusters", "Where maps point together",
      "Groups of pictures of one class whose maps point at the same place. They only propose: each says whether a transplant of that place moved the answers.", clusters(found.extras.clusters)),
    found.untested.length > 0 && section("untested", "What was not tested", "", untested(found.untested)),
    section("choices", "Every choice", "", recordOf(found, audit)));
}

/**
 * @param {string} name
 * @param {string} title
 * @param {string} words
 * @param {any} body
 */
function section(name, title, words, body) {
  return h("section", { class: "audit-section", id: name, "aria-labelledby": `${name}-title` },
    h("h2", { id: `${name}-title` }, title), words && h("p", { class: "small muted audit-words" }, words), body);
}

try {
  draw(await get(path));
} catch (error) {
  fill(place, problem(/** @type {any} */ (error)));
} finally {
  place.removeAttribute("aria-busy");
}
