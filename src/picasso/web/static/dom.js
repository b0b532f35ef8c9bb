/** Builds elements without a framework. */

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * Makes an element.
 *
 * Attributes whose value is false, null or undefined are left out; `true` sets an empty attribute. A key that starts
 * with "on" adds a listener; `class` takes a string or a list; `props` sets properties of the element.
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {any} the element; its class follows from the tag
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = Array.isArray(value) ? value.filter(Boolean).join(" ") : value;
    else if (key === "props") Object.assign(element, value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...clean(children));
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function clean(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Replaces an element's children.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...clean(children));
}

/**
 * @param {ParentNode} root
 * @param {string} selector
 */
export function focusOn(root, selector) {
  /** @type {HTMLElement | null} */ (root.querySelector(selector))?.focus();
}

/**
 * @param {string} text in which `names` stand between grave accents
 * @returns {(string | HTMLElement)[]} the same, with these as code
 */
export function coded(text) {
  return text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? h("code", {}, part) : part));
}

let counter = 0;

/**
 * @param {string} prefix
 * @returns {string} an id that this page has not used
 */
export function freshId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/**
 * Tells screen readers.
 *
 * @param {string} text
 */
export function announce(text) {
  const place = document.getElementById("announcer");
  if (place) place.textContent = text;
}

/** @type {Record<string, string>} strokes on a 16 x 16 grid */
const ICONS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  down: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  link: "M6.5 9.500l3-3M7 4.5 8.5 3a2.8 2.8 0 0 1 4 4L11 8.500M9 11.5 7.5 13a2.8 2.8 0 0 1-4-4L5 7.5",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5 6.5 12 13 4.5",
  again: "M13 8a5 5 0 1 1-1.6-3.700M13 2v3h-3",
  upload: "M8 11V3M4.5 6 8 2.5 11.5 6M3 13.5h10",
  trash: "M3 4.5h10M6.5 4.500V3h3v1.500M4.5 4.500l.6 8.500h5.800l.6-8.5",
  warn: "M8 2.5 14 13H2ZM8 6.500v3M8 11.200v.1",
  sun: "M8 5.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600ZM8 1v1.500M8 13.500V15M1 8h1.500M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.500A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.500Z",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12M8 5h4.800M8 8h6M8 11h4.8",
  play: "M5 3.500v9l7-4.500Z",
  pause: "M5.500 3.500v9M10.500 3.500v9",
  camera: "M2 5h2.500l1-1.500h5L11.500 5H14v8H2ZM8 6.500a2.300 2.300 0 1 0 0 4.600 2.300 2.300 0 0 0 0-4.600Z",
  scale: "M8 2.500v10.500M5 13h6M3 4.500h10M3 4.500 1.200 9a2 2 0 0 0 3.600 0ZM13 4.500 11.200 9a2 2 0 0 0 3.600 0Z",
  question: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM6.200 6.300a1.8 1.8 0 1 1 2.600 1.700c-.5.3-.8.6-.8 1.200M8 11.400v.1",
  right: "M6 3.5 10.5 8 6 12.5",
  brush: "M13.5 2.500 7 9M7 9c-2.200-.8-4 .7-4 2.500 0 1-.5 1.500-1 2 2.500.5 5.500-.2 6-2.500.2-.8-.3-1.600-1-2Z",
};

/**
 * @param {keyof typeof ICONS} name
 * @returns {SVGElement} hidden from screen readers: the button around it carries the words
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
