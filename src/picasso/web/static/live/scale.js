/** The color scale of maps that follow one another: it must not flicker, nor stay too wide for long. */

export const HALVING_SECONDS = 10;
/** After so long without a larger value the scale has come halfway down to what is there. */

/** @typedef {import("../colors.js").Limits} Limits */

/**
 * A running maximum that is slow to forget: it rises at once, so that nothing lies beyond it that would not in this frame
 * alone, and falls by half of what it is too wide in ten seconds.
 */
export class RunningScale {
  constructor() {
    this.most = 0;
    this.moment = 0;
    this.key = "";
  }

  /**
   * @param {Limits} limits of this frame alone
   * @param {number} moment ms
   * @param {string} key what the maps are of: another one begins anew
   * @returns {Limits}
   */
  follow([low, high], moment, key) {
    const here = Math.max(Math.abs(low), Math.abs(high));
    if (key !== this.key) this.most = 0;
    const part = 0.5 ** (Math.max(0, moment - this.moment) / (1000 * HALVING_SECONDS));
    this.most = Math.max(here, here + (this.most - here) * part);
    this.moment = moment;
    this.key = key;
    return [low < 0 ? -this.most : 0, this.most];
  }
}
