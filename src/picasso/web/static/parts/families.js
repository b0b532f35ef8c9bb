/** The visualizations as they come, in families. */

/** @typedef {import("../types.js").VisualizationInfo} VisualizationInfo */

/**
 * @param {VisualizationInfo[]} known
 * @returns {{family: string, members: VisualizationInfo[]}[]}
 */
export function byFamily(known) {
  /** @type {Map<string, VisualizationInfo[]>} */
  const found = new Map();
  for (const one of known) found.set(one.family, [...(found.get(one.family) ?? []), one]);
  return [...found].map(([family, members]) => ({ family, members }));
}

/**
 * @param {VisualizationInfo[]} known
 * @param {string} wanted words; "" for all
 * @returns {{family: string, members: VisualizationInfo[]}[]} what is meant, the best first: families as well as members
 */
export function search(known, wanted) {
  const place = (/** @type {VisualizationInfo} */ one) => rank(one, wanted);
  const found = known.filter((one) => place(one) < Infinity);
  // Sorting keeps the order of equals; a family's first is its best.
  return byFamily(found.sort((a, b) => place(a) - place(b)));
}

/**
 * @param {VisualizationInfo} one
 * @param {string} wanted words, all of which must stand somewhere in its name, title, family or description
 * @returns {number} 0 for its name, title or initials, 1 for how these begin, 2 for the rest; Infinity where it is not meant
 */
function rank({ name, title, family, description }, wanted) {
  const asked = wanted.trim().toLowerCase();
  if (!asked) return 0;
  const names = [name, title].map((text) => text.toLowerCase());
  const initials = names.map((text) => text.split(/[\s-]+/).map((word) => word[0]).join(""));
  if ([...names, ...initials].includes(asked)) return 0;
  if (names.some((text) => text.startsWith(asked))) return 1;
  const text = [...names, family, description].join(" ").toLowerCase();
  return asked.split(/\s+/).every((word) => text.includes(word)) ? 2 : Infinity;
}
