/** Numbers and times for people. */

/**
 * @param {number} value
 * @returns {string} three significant digits with a true minus sign
 */
export function number(value) {
  if (!Number.isFinite(value)) return "unknown";
  if (value === 0) return "0";
  const text = String(Number(value.toPrecision(3)));
  return text.replace("-", "\u2212").replace("e\u2212", "e-");
}

/**
 * A sentence of the server's as the pages write numbers: with true minus signs, and percents without a space.
 *
 * @param {string} text
 */
export function prose(text) {
  return text.replace(/(^|[\s(,\u2026])-(?=\d)/g, "$1\u2212").replace(/(\d) %/g, "$1%");
}

/**
 * As `number`, but of even length, for values that change under the cursor.
 *
 * @param {number} value
 * @param {number} scale the largest size that occurs
 * @returns {string}
 */
export function steady(value, scale) {
  if (!Number.isFinite(value)) return "unknown";
  if (scale === 0) return "0";
  const digits = Math.max(0, Math.min(8, 2 - Math.floor(Math.log10(scale))));
  if (digits > 6) return value.toExponential(2).replace("-", "\u2212");
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/**
 * @param {number} share 0..1
 * @returns {string} "99.7%", "< 0.1%"
 */
export function percent(share) {
  if (share === 0) return "0%";
  if (share === 1) return "100%";
  const value = share * 100;
  if (value < 0.1) return "< 0.1%";
  if (value > 99.9) return "> 99.9%";
  return `${value < 10 || value > 99 ? value.toFixed(1) : value.toFixed(0)}%`;
}

/**
 * @param {number} share 0..1
 * @returns {string} in whole percents: "94%", "< 1%"
 */
export function wholePercent(share) {
  if (share < 0.005) return share === 0 ? "0%" : "< 1%";
  if (share >= 0.995) return share === 1 ? "100%" : "> 99%";
  return `${Math.round(share * 100)}%`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [several]
 */
export function plural(count, one, several = `${one}s`) {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : several}`;
}

/** @param {number} count */
export function compact(count) {
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {string | number | null | undefined} when an ISO time, or seconds since 1970 */
export function ago(when) {
  if (when === null || when === undefined) return "";
  const time = typeof when === "number" ? when * 1000 : Date.parse(when);
  if (Number.isNaN(time)) return "";
  const seconds = (Date.now() - time) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString("en-US", { year: "numeric", month: "short", day: "numeric" });
}

/**
 * @param {number[] | null | undefined} shape (height, width, channels)
 * @returns {string} "64 x 64, gray"
 */
export function inputSize(shape) {
  if (!shape) return "";
  const [height, width, channels] = shape;
  return `${width} \u00d7 ${height}${channels === 1 ? ", gray" : ""}`;
}
