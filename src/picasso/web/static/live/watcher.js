/** Asks the model about one frame after another: one at a time, always about the newest. */

import { ApiError, post, send } from "../api.js";
import { unpack } from "../arrays.js";

const WAIT_SECONDS = 5;
const RATE_MS = 3000;
/** Over how long the rate is counted. */
const OPENING_MS = 100;
/** How long a model that is not ready is waited for before one looks again. */
const KEPT = 200;

/**
 * @typedef {import("./source.js").Grabbed} Grabbed
 * @typedef {object} Seen
 * @property {Grabbed} frame
 * @property {any} said the answer
 * @property {import("../arrays.js").NumericArray} array the map
 * @property {string} key what was asked, so that answers to the same can be told
 */

/**
 * Events: "seen" (detail: Seen), "doing" (detail: words, "" when nothing is waited for), "fail" (detail: the error),
 * "state" when it starts or pauses.
 */
export class Watcher extends EventTarget {
  /** @param {import("./source.js").Source} source */
  constructor(source) {
    super();
    this.source = source;
    this.viewer = crypto.getRandomValues(new Uint32Array(4)).join("-");
    /** @type {Record<string, any> | null} what is asked of each frame; null while nothing can be */
    this.question = null;
    /** Pixels of the shorter side that the model needs. */
    this.short = 224;
    this.running = false;
    this.looping = false;
    this.busy = false;
    /** @type {Grabbed | null} the newest frame, which nobody has asked about yet */
    this.waiting = null;
    /** @type {Grabbed | null} the frame that was grabbed last */
    this.frame = null;
    /** @type {number[]} when the last answers came, ms */
    this.answers = [];
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.answers = [];
    this.dispatchEvent(new Event("state"));
    if (!this.looping) this.#run();
  }

  /** Stops after the frame that is being looked at. */
  pause() {
    if (!this.running) return;
    this.running = false;
    this.dispatchEvent(new Event("state"));
  }

  /** Looks at the frame that stands still anew: something else is asked of it. */
  again() {
    if (!this.running && this.frame) this.#look(this.frame);
  }

  /** Looks at the frame at which a video stands, though it does not play. */
  async once() {
    if (this.running || !this.source.kind || !this.question) return;
    const frame = await this.source.grab(this.short);
    if (!this.running) this.#look(frame);
  }

  /** @returns {number} frames in a second */
  rate() {
    const recent = this.answers.filter((moment) => moment > performance.now() - RATE_MS);
    return recent.length > 1 ? ((recent.length - 1) * 1000) / (recent[recent.length - 1] - recent[0]) : 0;
  }

  async #run() {
    this.looping = true;
    while (this.running) {
      await this.source.next();
      if (!this.running) break;
      try {
        if (this.question) await this.#look(await this.source.grab(this.short));
        else await new Promise((done) => setTimeout(done, OPENING_MS));
      } catch (error) {
        this.#fail(error);
      }
    }
    this.looping = false;
  }

  /**
   * Looks at a frame, or keeps it for when the one that is being looked at is done: the newest wins.
   *
   * @param {Grabbed} frame
   */
  async #look(frame) {
    if (!this.question) return;
    if (this.busy) {
      this.waiting = frame;
      return;
    }
    this.busy = true;
    this.frame = frame;
    const key = JSON.stringify(this.question);
    const stale = () => key !== JSON.stringify(this.question);
    try {
      const answer = await this.#answer(frame, key);
      if (!stale()) {
        this.answers = [...this.answers.slice(-KEPT), performance.now()];
        this.#tell("seen", { frame, ...unpack(answer), key });
      }
    } catch (error) {
      if (!stale()) this.#fail(error);
    } finally {
      this.busy = false;
      this.#tell("doing", "");
    }
    const next = this.waiting;
    this.waiting = null;
    if (next) await this.#look(next);
  }

  /** @param {unknown} error */
  #fail(error) {
    this.pause();
    this.#tell("fail", error);
  }

  /**
   * @param {Grabbed} frame
   * @param {string} key
   * @returns {Promise<ArrayBuffer>}
   */
  async #answer(frame, key) {
    const form = new FormData();
    form.append("frame", frame.blob, "frame.png");
    form.append("question", JSON.stringify({ ...this.question, viewer: this.viewer }));
    let answer = await send("POST", "/glances", form);
    while (answer.status === 202) {
      const { id, doing } = await answer.json();
      if (key !== JSON.stringify(this.question)) {
        await post(`/glances/${id}/cancel`);
        throw new ApiError(0, "canceled", "Something else is asked.", "");
      }
      this.#tell("doing", doing);
      answer = await send("GET", `/glances/${id}?wait=${WAIT_SECONDS}`);
    }
    return answer.arrayBuffer();
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
