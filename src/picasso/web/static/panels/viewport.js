/** Where all panes of a figure look, and the one cursor that they share. */

const LARGEST_ZOOM = 32;

/**
 * Coordinates are pixels of the map: (0, 0) is the top left corner of the first pixel.
 *
 * Events: "change" when the view moved, so that everything is drawn again; "cursor" when only the cursor did.
 */
export class Viewport extends EventTarget {
  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    super();
    this.width = width;
    this.height = height;
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    /** @type {{x: number, y: number} | null} a whole pixel */
    this.cursor = null;
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    if (width === this.width && height === this.height) return;
    const x = width / this.width;
    const y = height / this.height;
    this.left *= x;
    this.top *= y;
    if (this.cursor) this.cursor = { x: Math.floor(this.cursor.x * x), y: Math.floor(this.cursor.y * y) };
    this.width = width;
    this.height = height;
    this.#changed();
  }

  /**
   * Zooms and keeps the given place where it is.
   *
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   */
  zoomBy(factor, x = this.left + this.width / this.zoom / 2, y = this.top + this.height / this.zoom / 2) {
    const zoom = Math.min(LARGEST_ZOOM, Math.max(1, this.zoom * factor));
    const ratio = this.zoom / zoom;
    this.left = x - (x - this.left) * ratio;
    this.top = y - (y - this.top) * ratio;
    this.zoom = zoom;
    this.#changed();
  }

  /**
   * @param {number} x pixels of the map
   * @param {number} y
   */
  panBy(x, y) {
    this.left += x;
    this.top += y;
    this.#changed();
  }

  reset() {
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    this.#changed();
  }

  /** @param {{x: number, y: number} | null} place */
  point(place) {
    const cursor = place && {
      x: Math.min(this.width - 1, Math.max(0, Math.floor(place.x))),
      y: Math.min(this.height - 1, Math.max(0, Math.floor(place.y))),
    };
    if (cursor?.x === this.cursor?.x && cursor?.y === this.cursor?.y) return;
    this.cursor = cursor;
    this.dispatchEvent(new Event("cursor"));
  }

  /** Moves the view so that the cursor is in it. */
  reveal() {
    if (!this.cursor) return;
    const wide = this.width / this.zoom;
    const high = this.height / this.zoom;
    this.left = Math.min(Math.max(this.left, this.cursor.x + 1 - wide), this.cursor.x);
    this.top = Math.min(Math.max(this.top, this.cursor.y + 1 - high), this.cursor.y);
    this.#changed();
  }

  #changed() {
    this.left = Math.min(this.width - this.width / this.zoom, Math.max(0, this.left));
    this.top = Math.min(this.height - this.height / this.zoom, Math.max(0, this.top));
    this.dispatchEvent(new Event("change"));
  }
}
