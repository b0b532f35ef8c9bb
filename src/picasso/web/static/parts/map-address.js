/** Which of its maps a result shows: in the address, "map=0:target-2" for the first result of a page. */

const KEY = "map";

/**
 * @param {number} place of the result among those of the page
 * @returns {string} id of the panel; "" where none was chosen
 */
export function chosenMap(place) {
  const found = new URLSearchParams(location.search).getAll(KEY).find((one) => one.startsWith(`${place}:`));
  return found?.slice(found.indexOf(":") + 1) ?? "";
}

/**
 * @param {number} place
 * @param {string} id of the panel
 */
export function writeMap(place, id) {
  const query = new URLSearchParams(location.search);
  const others = query.getAll(KEY).filter((one) => !one.startsWith(`${place}:`));
  query.delete(KEY);
  for (const one of [...others, `${place}:${id}`]) query.append(KEY, one);
  history.replaceState(history.state, "", `${location.pathname}?${query}${location.hash}`);
}

/** @param {URLSearchParams} query of the next address; it keeps the maps where its run is the same */
export function keepMaps(query) {
  const before = new URLSearchParams(location.search);
  if (before.get("job") === query.get("job")) for (const one of before.getAll(KEY)) query.append(KEY, one);
}
