/** The slider: the sky follows the hand, and so does one of the two detectors. */

import { fill, h } from "../dom.js";
import { wholePercent } from "../format.js";

/** @typedef {import("./story-types.js").Story} Story */
/** @typedef {import("./story-types.js").Shot} Shot */

const THINGS = {
  tank: { scene: "tank", erased: false, words: "There is a tank" },
  nothing: { scene: "tank", erased: true, words: "There is nothing" },
  decoy: { scene: "decoy", erased: false, words: "There is only a decoy" },
};
/** @typedef {keyof typeof THINGS} Thing */

export class SkyChapter {
  /** @param {Story} story */
  constructor(story) {
    this.story = story;
    this.slider = /** @type {HTMLInputElement} */ (document.getElementById("cloudiness"));
    this.frames = /** @type {HTMLElement} */ (document.getElementById("frames"));
    this.verdict = /** @type {HTMLElement} */ (document.getElementById("sky-verdict"));
    /** @type {Thing} */
    this.thing = "tank";
    this.slider.max = String(story.scenes[0].positions.length - 1);
    this.slider.value = this.slider.max;
    this.slider.addEventListener("input", () => this.show());
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[name=thing]"))) {
      input.addEventListener("change", () => {
        this.thing = /** @type {Thing} */ (input.value);
        this.load();
        this.show();
      });
      if (input.checked) this.thing = /** @type {Thing} */ (input.value);
    }
    /** @type {Map<string, HTMLImageElement>} */
    this.images = new Map();
    this.load();
    this.show();
    // The other pictures are fetched when the slider is about to be seen.
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      for (const thing of /** @type {Thing[]} */ (Object.keys(THINGS))) this.load(thing);
    }, { rootMargin: "1200px" }).observe(this.frames);
  }

  /**
   * @param {Thing} thing
   * @returns {Shot[]} from sunny to cloudy
   */
  shots(thing) {
    const { scene, erased } = THINGS[thing];
    const found = this.story.scenes.find((one) => one.name === scene)?.frames ?? [];
    return found.filter((shot) => shot.erased === erased).sort((a, b) => a.cloudiness - b.cloudiness);
  }

  load(thing = this.thing) {
    for (const shot of this.shots(thing)) {
      if (this.images.has(shot.file)) continue;
      const image = h("img", { src: `/story-assets/${shot.file}`, alt: "", width: 256, height: 256 });
      this.images.set(shot.file, image);
      this.frames.append(image);
    }
  }

  show() {
    const shots = this.shots(this.thing);
    const shot = shots[Math.min(Number(this.slider.value), shots.length - 1)];
    for (const [file, image] of this.images) image.classList.toggle("shown", file === shot.file);
    for (const answer of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".answer"))) {
      const probability = shot.tank_probability[/** @type {"tank-proxy" | "tank-honest"} */ (answer.dataset.model)];
      const output = /** @type {HTMLElement} */ (answer.querySelector("output"));
      const bar = /** @type {HTMLElement} */ (answer.querySelector(".meter span"));
      output.textContent = wholePercent(probability);
      output.dataset.value = String(probability);
      bar.style.width = `${probability * 100}%`;
    }
    const { "tank-proxy": a, "tank-honest": b } = shot.tank_probability;
    const cloudy = `cloudiness ${Math.round(shot.cloudiness * 100)}%`;
    this.slider.setAttribute("aria-valuetext", `${cloudy}: A says tank ${wholePercent(a)}, B ${wholePercent(b)}`);
    fill(this.verdict, sentence(this.thing, a, b));
  }
}

/**
 * @param {Thing} thing
 * @param {number} a probability of a tank
 * @param {number} b
 */
function sentence(thing, a, b) {
  const truth = thing === "tank";
  const right = (/** @type {number} */ probability) => probability > 0.5 === truth;
  const start = THINGS[thing].words;
  if (right(a) && right(b)) return `${start}, and both get it right.`;
  if (!right(a) && !right(b)) return `${start}, and both are wrong.`;
  const [wrong, other] = right(a) ? ["B", "A"] : ["A", "B"];
  const said = truth ? "does not see it" : "sees a tank";
  return `${start}. ${wrong} ${said}; ${other} is right.`;
}
