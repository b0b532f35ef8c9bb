/* Sets the chosen colors before the first paint; therefore a plain script in the head, not a module. */
"use strict";
try {
  const chosen = localStorage.getItem("picasso.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  /* Storage is blocked: the system's colors. */
}
