/** /: the first minute. Two detectors, one of which looks at the sky; every number and picture is real. */

import { ApiError } from "../api.js";
import { fill, h } from "../dom.js";
import { percent } from "../format.js";
import { problem } from "../parts/problem.js";
import { AuditChapter } from "../parts/story-audit.js";
import { MapChapter } from "../parts/story-maps.js";
import { SkyChapter } from "../parts/story-sky.js";
import { drawErased, drawSheet } from "../parts/story-sheet.js";
import { listenForDrops } from "../parts/story-drop.js";

/** @typedef {import("../parts/story-types.js").Story} Story */

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @returns {Promise<Story>} */
async function load() {
  const answer = await fetch("/story-assets/story.json");
  if (!answer.ok) {
    throw new ApiError(answer.status, "not-found", "The story's pictures are missing.",
      "Make them with: python -m picasso.demo.story");
  }
  return answer.json();
}

/** @param {Story} story */
function figures(story) {
  const { "tank-proxy": a, "tank-honest": b } = story.models;
  const all = { a, b };
  for (const element of document.querySelectorAll("[data-figure]")) {
    const [first, second] = /** @type {HTMLElement} */ (element).dataset.figure?.split(".") ?? [];
    if (!second) element.textContent = String(a.pictures);
    else if (second.startsWith("pictures")) element.textContent = String(/** @type {any} */ (all)[first][second]);
    else element.textContent = whole(/** @type {any} */ (all)[first][second]);
  }
}

/** @param {number} share */
function whole(share) {
  return share === 1 ? "100%" : share > 0.995 ? percent(share) : `${Math.round(share * 100)}%`;
}

/** @param {Story} story */
function choices(story) {
  const { "tank-proxy": a, "tank-honest": b } = story.models;
  const equal = `On paper they are alike: ${whole(a.accuracy)} and ${whole(b.accuracy)}. Let us look closer.`;
  const words = b.accuracy >= a.accuracy ? { a: equal, b: equal } : {
    a: `Almost everyone ships A. ${whole(a.accuracy)} is hard to argue with. Let us look closer.`,
    b: `B, with its ${whole(b.accuracy)}? Brave. Let us see whether you are right.`,
  };
  const buttons = [...document.querySelectorAll(".contender")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const choice = /** @type {"a" | "b"} */ (/** @type {HTMLElement} */ (button).dataset.choice);
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      const verdict = place("choice");
      verdict.hidden = false;
      fill(verdict, words[choice], " ", h("a", { href: "#erase" }, "Erase the tanks"));
    });
  }
}

try {
  const story = await load();
  figures(story);
  choices(story);
  drawSheet(place("sheet"), story);
  drawErased(place("erased"), /** @type {HTMLButtonElement} */ (place("restore")), story);
  new SkyChapter(story);
  new MapChapter(story);
  new AuditChapter();
  document.documentElement.dataset.ready = "yes";
} catch (error) {
  const story = place("story");
  story.prepend(h("div", { class: "page narrow" }, problem(error)));
}
listenForDrops();
