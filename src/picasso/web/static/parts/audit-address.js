/** The address of the page that starts an audit. */

/**
 * @param {object} choices
 * @param {string} [choices.model]
 * @param {string} [choices.dataset]
 * @param {string} [choices.job] one that runs already
 * @returns {string}
 */
export function auditHref({ model = "", dataset = "", job = "" }) {
  const query = new URLSearchParams(Object.entries({ model, dataset, job }).filter(([, value]) => value));
  return query.size ? `/audit?${query}` : "/audit";
}
