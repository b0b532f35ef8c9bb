/** The address of the page that starts an audit. */

/**
 * @param {object} choices
 * @param {string} [choices.model]
 * @param {string} [choices.dataset]
 * @param {number | null} [choices.limit] pictures at most; null for as many as there may be
 * @param {number} [choices.seed]
 * @param {Record<string, string> | null} [choices.match] the model's label for a class, where it was chosen by hand
 * @param {string} [choices.job] one that runs already
 * @returns {string}
 */
export function auditHref({ model = "", dataset = "", limit = null, seed = 0, match = null, job = "" }) {
  const said = {
    model, dataset, limit: limit ? String(limit) : "", seed: seed ? String(seed) : "",
    match: Object.keys(match ?? {}).length ? JSON.stringify(match) : "", job,
  };
  const query = new URLSearchParams(Object.entries(said).filter(([, value]) => value));
  return query.size ? `/audit?${query}` : "/audit";
}

/**
 * @param {URLSearchParams} query of such an address, which anybody may have written
 * @returns {Record<string, string>} what it says of `match`
 */
export function matchOf(query) {
  try {
    const said = JSON.parse(query.get("match") ?? "{}");
    return Object.fromEntries(Object.entries(said ?? {}).filter(([, label]) => typeof label === "string"));
  } catch {
    return {};
  }
}
