/** The address of the page that compares methods. */

/** An address holds so many pictures at most. */
const PICTURES_IN_ADDRESS = 100;

/**
 * @param {object} choices
 * @param {string} choices.model
 * @param {string[]} choices.pictures digests
 * @param {(string | null)[]} [choices.masks] for each picture the digest of its mask, or null; left out: those that are known
 * @param {string[]} [choices.methods] names of exactly what is compared; none: the usual ones
 * @param {string} [choices.beside] a method that is compared beside the usual ones
 * @param {string} [choices.job] one that runs already
 * @returns {string}
 */
export function compareHref({ model, pictures, masks, methods = [], beside = "", job = "" }) {
  const query = new URLSearchParams({ model });
  for (const digest of pictures.slice(0, PICTURES_IN_ADDRESS)) query.append("picture", digest);
  for (const digest of (masks ?? []).slice(0, PICTURES_IN_ADDRESS)) query.append("mask", digest ?? "");
  for (const name of methods) query.append("method", name);
  if (beside) query.set("beside", beside);
  if (job) query.set("job", job);
  return `/compare?${query}`;
}
