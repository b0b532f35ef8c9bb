/** How the network's input and the fills look: colors and pictures as the server sent them, as pixels. */

/**
 * @param {Record<string, string>} looks "#808080", or a PNG as a data: address, by name
 * @param {number} width
 * @param {number} height
 * @returns {Promise<import("./board.js").Looks>}
 */
export async function readLooks(looks, width, height) {
  const read = async ([name, look]) => [name, look.startsWith("#") ? color(look) : await pixels(look, width, height)];
  return Object.fromEntries(await Promise.all(Object.entries(looks).map(/** @type {any} */ (read))));
}

/** @param {string} hex */
function color(hex) {
  const bytes = new Uint8Array([1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).concat(255));
  return new Uint32Array(bytes.buffer)[0];
}

/**
 * @param {string} address
 * @param {number} width
 * @param {number} height
 */
async function pixels(address, width, height) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(image, 0, 0, width, height);
  return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
}
