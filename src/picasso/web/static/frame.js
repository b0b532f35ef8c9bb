/** What every page has: the switch between light, dark and the system's colors, and menus that close. */

import { fill, icon } from "./dom.js";

const KEY = "picasso.theme";
const ORDER = /** @type {const} */ (["system", "light", "dark"]);
const NAMES = { system: "as the system", light: "light", dark: "dark" };
const ICONS = { system: "auto", light: "sun", dark: "moon" };

const button = document.getElementById("theme");
let theme = /** @type {"system" | "light" | "dark"} */ (document.documentElement.dataset.theme ?? "system");

function show() {
  if (!button) return;
  fill(button, icon(ICONS[theme]));
  const next = NAMES[ORDER[(ORDER.indexOf(theme) + 1) % 3]];
  button.setAttribute("aria-label", `Colors: ${NAMES[theme]}. Switch to ${next}.`);
  button.title = `Colors: ${NAMES[theme]}`;
}

button?.addEventListener("click", () => {
  theme = ORDER[(ORDER.indexOf(theme) + 1) % 3];
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice holds until the page is left.
  }
  show();
});
show();

// On a phone the names of the pages are wider than the screen: they fade where more of them follow.
const names = /** @type {HTMLElement} */ (document.querySelector(".top nav"));
const fade = () => names.toggleAttribute("data-more", names.scrollLeft + names.clientWidth < names.scrollWidth - 1);
names.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
names.addEventListener("scroll", fade, { passive: true });
new ResizeObserver(fade).observe(names);

/** Menus are <details class="menu">: one is open at a time; Escape and a click elsewhere close it. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  event.preventDefault();
  menu.removeAttribute("open");
  menu.querySelector("summary")?.focus();
});
