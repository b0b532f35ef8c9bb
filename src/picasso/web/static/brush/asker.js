/** Asks the model about what is painted: one question at a time, always about the newest. */

import { ApiError, get, post } from "../api.js";

const WAIT_SECONDS = 5;

/**
 * Events: "reply" (detail {reply, edit}), "doing" (detail: words, "" when nothing is asked), "fail" (detail: the error).
 */
export class Asker extends EventTarget {
  /** @param {Record<string, any>} question what stays the same: model, picture, target, at */
  constructor(question) {
    super();
    this.question = question;
    /** @type {{edit: any} | null} */
    this.wanted = null;
    this.busy = false;
    this.looks = true;
    /** @type {string | null} the question that a worker has */
    this.id = null;
  }

  /** @param {import("./painting.js").EditData | null} edit */
  ask(edit) {
    this.wanted = { edit };
    if (!this.busy) this.#run();
  }

  /** Stops the question that runs. */
  async stop() {
    this.wanted = null;
    if (this.id) await post(`/what-ifs/${this.id}/cancel`).catch(() => null);
  }

  async #run() {
    this.busy = true;
    while (this.wanted) {
      const { edit } = this.wanted;
      this.wanted = null;
      this.#tell("doing", "Asking the model");
      try {
        const reply = await this.#answer(edit);
        this.looks = false;
        this.#tell("doing", "");
        this.#tell("reply", { reply, edit });
      } catch (error) {
        this.#tell("doing", "");
        this.#tell("fail", error);
      }
    }
    this.busy = false;
  }

  /** @param {import("./painting.js").EditData | null} edit */
  async #answer(edit) {
    let record = await post("/what-ifs", { ...this.question, edit, looks: this.looks });
    this.id = record.id;
    try {
      while (record.state === "queued" || record.state === "running") {
        this.#tell("doing", record.doing);
        record = await get(`/what-ifs/${record.id}?wait=${WAIT_SECONDS}`);
      }
    } finally {
      this.id = null;
    }
    if (record.state === "done") return record.reply;
    const { code, message, hint } = record.error ?? { code: "canceled", message: "The question was stopped.", hint: "Paint on, or ask again." };
    throw new ApiError(0, code, message, hint);
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
