/** Where frames come from: the camera, or a video file that is played in the page. */

import { ApiError } from "../api.js";
import { h } from "../dom.js";

const SHARP_SIDE = 640;
/** Pixels of the longer side of a frame as it is shown; the model gets one of its own. */

/**
 * @typedef {object} Grabbed
 * @property {Blob} blob the frame as the model gets it, PNG: the very pixels that were played
 * @property {HTMLCanvasElement} sharp the same frame as it is shown
 * @property {number} width of the frame that the model gets
 * @property {number} height
 * @property {number} taken when it was grabbed, ms
 */

/** Events: "change" when there is another source, or none any more. */
export class Source extends EventTarget {
  constructor() {
    super();
    /** @type {HTMLVideoElement} */
    this.video = h("video", { muted: true, playsinline: true, loop: true, "aria-label": "What comes in", props: { muted: true } });
    /** @type {"" | "camera" | "file"} */
    this.kind = "";
    this.name = "";
    this.address = "";
    /** @type {File | null} the video that is played */
    this.played = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.turn = 0;
  }

  /**
   * Opens a camera; the browser asks its user.
   *
   * @param {string} [device] which camera; by default the browser's choice
   */
  async camera(device) {
    this.close();
    const mine = this.turn;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new ApiError(0, "camera", "This browser gives no camera to this page.",
        "Cameras are there for pages of this machine (127.0.0.1) and for pages over https. A video file works everywhere.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: device ? { deviceId: { exact: device } } : { width: { ideal: 1280 }, height: { ideal: 720 } },
      });
    } catch (error) {
      throw refused(/** @type {DOMException} */ (error));
    }
    if (mine !== this.turn) return stop(stream); // another source was chosen meanwhile
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => this.stream === stream && this.close());
    this.video.controls = false;
    this.video.srcObject = stream;
    await this.#ready("camera", track.label || "Camera");
  }

  /** @param {File} file */
  async file(file) {
    this.close();
    this.address = URL.createObjectURL(file);
    this.video.controls = true;
    this.video.src = this.address;
    this.played = file;
    try {
      await this.#ready("file", file.name);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * @param {"camera" | "file"} kind
   * @param {string} name
   */
  async #ready(kind, name) {
    const mine = this.turn;
    const { video } = this;
    await new Promise((done, fail) => {
      video.addEventListener("loadeddata", done, { once: true });
      video.addEventListener("error", () => fail(new ApiError(0, "video", `This browser cannot play ${name}.`,
        "Use MP4 (H.264) or WebM; in the shell, `picasso video` reads others.")), { once: true });
    });
    if (mine !== this.turn) return;
    if (!video.videoWidth) throw new ApiError(0, "video", `${name} holds no pictures.`, "Choose a video, not a sound.");
    this.kind = kind;
    this.name = name;
    this.dispatchEvent(new Event("change"));
  }

  /** Gives the camera back, or the file. */
  close() {
    const { video, stream, address } = this;
    this.turn += 1;
    if (stream) stop(stream);
    this.stream = null;
    this.played = null;
    video.pause();
    video.srcObject = null;
    if (address) {
      video.removeAttribute("src");
      video.load();
      URL.revokeObjectURL(address);
      this.address = "";
    }
    if (!this.kind) return;
    this.kind = "";
    this.dispatchEvent(new Event("change"));
  }

  /** Waits until there is a frame that was not grabbed yet. */
  next() {
    const { video } = this;
    return new Promise((done) => {
      if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
  }

  /**
   * Takes the present frame.
   *
   * @param {number} short the shorter side that the model needs, pixels
   * @returns {Promise<Grabbed>}
   */
  async grab(short) {
    const { video } = this;
    const taken = performance.now();
    const [width, height] = [video.videoWidth, video.videoHeight];
    const sharp = draw(video, width, height, SHARP_SIDE / Math.max(width, height));
    const small = draw(video, width, height, short / Math.min(width, height));
    const blob = await new Promise((done, fail) => {
      small.toBlob((made) => (made ? done(made) : fail(new ApiError(0, "video", "This frame cannot be read.", "Choose another video."))),
        "image/png");
    });
    return { blob, sharp, width: small.width, height: small.height, taken };
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {number} width
 * @param {number} height
 * @param {number} scale at most 1: a frame is never enlarged
 * @returns {HTMLCanvasElement}
 */
function draw(video, width, height, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * Math.min(1, scale)));
  canvas.height = Math.max(1, Math.round(height * Math.min(1, scale)));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * @param {DOMException} error
 * @returns {ApiError} the same in words
 */
function refused({ name, message }) {
  if (name === "NotAllowedError") {
    return new ApiError(0, "camera", "The camera was refused to this page.", "Allow it beside the address, then press Camera again. A video file works, too.");
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new ApiError(0, "camera", "There is no camera.", "Connect one, or choose a video file.");
  }
  if (name === "NotReadableError") {
    return new ApiError(0, "camera", "The camera is there but gives no picture.", "Another program may hold it: close that, then press Camera again.");
  }
  return new ApiError(0, "camera", `The camera could not be opened: ${message || name}.`, "Choose a video file.");
}
