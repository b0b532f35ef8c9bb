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
 * @param {VisualizationInfo} one
 * @param {string} wanted words, all of which must stand somewhere in its name, title, family or description
 */
export function matches(one, wanted) {
  const text = `${one.name} ${one.title} ${one.family} ${one.description}`.toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
