/** Shares of accuracy as points: hundredths, whole, with a true minus sign. */

/** @param {number} share -1..1 */
function whole(share) {
  const value = Math.round(share * 100);
  return value === 0 ? "0" : String(value).replace("-", "\u2212");
}

/** @param {number} share -1..1 */
export function points(share) {
  return `${whole(share)} ${Math.abs(Math.round(share * 100)) === 1 ? "point" : "points"}`;
}

/** @param {{low: number, high: number}} interval */
export function span({ low, high }) {
  return `${whole(low)} \u2026 ${whole(high)}`;
}
