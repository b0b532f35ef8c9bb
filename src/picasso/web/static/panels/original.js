/** The sharp original picture, cropped to the part that the model saw. */

const LARGEST_SIDE = 2048;

/** @typedef {{top: number, left: number, height: number, width: number}} Frame */
/** @typedef {{file: string, width: number, height: number}} PictureRef */

/** @type {Map<string, Promise<HTMLCanvasElement | null>>} */
const kept = new Map();

/**
 * @param {PictureRef | null | undefined} picture
 * @param {Frame | null | undefined} frame
 * @returns {Promise<HTMLCanvasElement | null>} null where the browser cannot draw the file, or no frame is known
 */
export function originalView(picture, frame) {
  if (!picture?.file || !frame) return Promise.resolve(null);
  const key = [picture.file, frame.top, frame.left, frame.height, frame.width].join();
  let promise = kept.get(key);
  if (!promise) {
    promise = draw(picture, frame).catch(() => null);
    kept.set(key, promise);
    if (kept.size > 24) kept.delete(/** @type {string} */ (kept.keys().next().value));
  }
  return promise;
}

/**
 * @param {PictureRef} picture
 * @param {Frame} frame
 */
async function draw(picture, frame) {
  const image = new Image();
  image.decoding = "async";
  image.src = picture.file;
  await image.decode();
  const factor = Math.min(1, LARGEST_SIDE / Math.max(frame.width, frame.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(frame.width * factor));
  canvas.height = Math.max(1, Math.round(frame.height * factor));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  const x = canvas.width / frame.width;
  const y = canvas.height / frame.height;
  context.drawImage(image, -frame.left * x, -frame.top * y, picture.width * x, picture.height * y);
  return canvas;
}

/**
 * @param {PictureRef | null | undefined} picture
 * @param {Frame | null | undefined} frame
 * @returns {string} one sentence where the model did not see exactly the picture, else ""
 */
export function cropSentence(picture, frame) {
  if (!picture || !frame) return "";
  const { top, left, height, width } = frame;
  if (top < -0.5 || left < -0.5) return "The model saw the whole picture with black bars at its edges.";
  if (height > picture.height - 0.5 && width > picture.width - 0.5) return "";
  const columns = `${Math.round(left)} to ${Math.round(left + width)} of ${picture.width}`;
  const rows = `${Math.round(top)} to ${Math.round(top + height)} of ${picture.height}`;
  return `The model saw a part of the picture: columns ${columns}, rows ${rows}. Only that part is shown.`;
}
