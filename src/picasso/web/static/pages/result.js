/** /results/{key}: one stored result. */

import { get } from "../api.js";
import { fill } from "../dom.js";
import { problem } from "../parts/problem.js";
import { PicassoResult } from "../parts/result-view.js";

const place = /** @type {HTMLElement} */ (document.getElementById("result"));
const key = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");

try {
  const result = await get(`/results/${encodeURIComponent(key)}`);
  const view = new PicassoResult(0);
  fill(place, view);
  view.show(result);
  document.title = `${result.picture?.name ?? result.model}: ${result.document.visualization.title} \u00b7 Picasso`;
} catch (error) {
  fill(place, problem(error));
} finally {
  place.removeAttribute("aria-busy");
}
