/** How maps are shown: one choice for all results of the page, kept until the browser tab is closed. */

const KEY = "picasso.display";

/**
 * Events: "strength" when only the opacity changed, which draws nothing again; "threshold" when only that of the box
 * did; "change" when anything else did.
 */
class Display extends EventTarget {
  constructor() {
    super();
    this.opacity = 0.65;
    /** Show the method's own grid instead of the map on the pixels. */
    this.native = false;
    /** Show what was left of the score instead of the change. */
    this.kept = false;
    /** Show the picture as the model saw it instead of the sharp original. */
    this.seen = false;
    /** Show the maps of all targets side by side. */
    this.all = false;
    /** Show the size of signed values, whatever their sign. */
    this.size = false;
    /** Show the map under a Gaussian. */
    this.smooth = false;
    /** Show what the map points at, and the box around it. */
    this.box = false;
    /** From which share of the map's maximum a pixel counts for that. */
    this.threshold = 0.2;
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(KEY) ?? "{}"));
    } catch {
      // Nothing kept, or storage is blocked.
    }
  }

  /**
   * @param {Partial<{opacity: number, native: boolean, kept: boolean, seen: boolean, all: boolean, size: boolean,
   *   smooth: boolean, box: boolean, threshold: number}>} choice
   */
  set(choice) {
    Object.assign(this, choice);
    // Each of two views of the numbers takes the place of the other.
    if (choice.native) this.smooth = false;
    if (choice.smooth) this.native = false;
    if (choice.kept) this.size = false;
    if (choice.size) this.kept = false;
    const { opacity, native, kept, seen, all, size, smooth, box, threshold } = this;
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ opacity, native, kept, seen, all, size, smooth, box, threshold }));
    } catch {
      // Storage is blocked: the choice holds until the page is left.
    }
    const quick = { opacity: "strength", threshold: "threshold" };
    this.dispatchEvent(new Event(quick[/** @type {"opacity"} */ (Object.keys(choice).join())] ?? "change"));
  }
}

export const display = new Display();
