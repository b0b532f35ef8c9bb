/** The address of the page that starts an audit. */

/**
 * @param {object} choices
 * @param {string} [choices.model]
 * @param {string} [choices.dataset]
 * @param {number | null} [choices.limit] pictures at most; null for as many as there may be
 * @param {number} [choices.seed]
 * @param {string} [choices.job] one that runs already
 * @returns {string}
 */
export function auditHref({ model = "", dataset = "", limit = null, seed = 0, job = "" }) {
  const said = { model, dataset, limit: limit ? String(limit) : "", seed: seed ? String(seed) : "", job };
  const query = new URLSearchParams(Object.entries(said).filter(([, value]) => value));
  return query.size ? `/audit?${query}` : "/audit";
}
