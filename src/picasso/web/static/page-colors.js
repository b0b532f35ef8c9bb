/** Tells when the page's colors change: by its own switch, or with the system. What is drawn on a canvas is drawn anew then. */

const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * @param {() => void} act called after a change
 * @returns {() => void} stops that
 */
export function onColors(act) {
  const page = new MutationObserver(act);
  page.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  dark.addEventListener("change", act);
  return () => {
    page.disconnect();
    dark.removeEventListener("change", act);
  };
}
