/** Talks to the server under /api/v1. */

const ROOT = "/api/v1";

/** An answer that says what went wrong: `message` is one sentence, `hint` says what to do. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where the server did not answer
   * @param {string} code
   * @param {string} message
   * @param {string} hint
   */
  constructor(status, code, message, hint) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {any} [body] JSON, or FormData
 * @returns {Promise<Response>} an answer that is no error
 */
export async function send(method, path, body) {
  /** @type {RequestInit} */
  const options = { method, headers: { Accept: "application/json" } };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(ROOT + path, options);
  } catch {
    throw new ApiError(0, "offline", "The server does not answer.", "Check that picasso is still running, then try again.");
  }
  if (answer.ok) return answer;
  const error = (await answer.json().catch(() => null))?.error ?? {};
  throw new ApiError(
    answer.status,
    error.code ?? "error",
    error.message ?? `The server answered ${answer.status}.`,
    error.hint ?? "",
  );
}

/**
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @returns {Promise<any>} the answer's JSON; null where there is none
 */
async function call(method, path, body) {
  const answer = await send(method, path, body);
  return answer.json().catch(() => null);
}

/** @param {string} path */
export const get = (path) => call("GET", path);
/** @param {string} path @param {any} [body] */
export const post = (path, body) => call("POST", path, body);
/** @param {string} path */
export const remove = (path) => call("DELETE", path);

/**
 * Lists arrive bare or as the one list within an object.
 *
 * @param {string} path
 * @returns {Promise<any[]>}
 */
export async function list(path) {
  const answer = await get(path);
  if (Array.isArray(answer)) return answer;
  return Object.values(answer ?? {}).find(Array.isArray) ?? [];
}

/**
 * @param {unknown} error
 * @returns {ApiError}
 */
export function asApiError(error) {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(0, "page", `The page failed: ${message}`, "Reload it. If that does not help, please report it.");
}

/**
 * Follows a job's events; the browser reconnects by itself and gets what it missed.
 *
 * @param {string} id
 * @param {Partial<Record<"state" | "progress" | "panel" | "result" | "end", (data: any) => void>>} handlers
 * @returns {() => void} stops following
 */
export function follow(id, handlers) {
  const source = new EventSource(`${ROOT}/jobs/${encodeURIComponent(id)}/events`);
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => {
      handle(JSON.parse(/** @type {MessageEvent} */ (event).data || "{}"));
      if (name === "end") source.close();
    });
  }
  return () => source.close();
}
