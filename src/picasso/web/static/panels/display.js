/** How maps are shown: one choice for all results of the page, kept until the browser tab is closed. */

const KEY = "picasso.display";

/** Events: "strength" when only the opacity changed, which draws nothing again; "change" when anything else did. */
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
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(KEY) ?? "{}"));
    } catch {
      // Nothing kept, or storage is blocked.
    }
  }

  /** @param {Partial<{opacity: number, native: boolean, kept: boolean, seen: boolean, all: boolean}>} choice */
  set(choice) {
    Object.assign(this, choice);
    const { opacity, native, kept, seen, all } = this;
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ opacity, native, kept, seen, all }));
    } catch {
      // Storage is blocked: the choice holds until the page is left.
    }
    this.dispatchEvent(new Event(Object.keys(choice).join() === "opacity" ? "strength" : "change"));
  }
}

export const display = new Display();
