// Light or dark, as somebody has chosen it. In the head and no module: it has to be known
// before anything is painted.
"use strict";
(() => {
  const PLACE = "cotality-scheme";
  const chosen = () => {
    try {
      return localStorage.getItem(PLACE) || "system";
    } catch {
      return "system"; // storage is forbidden
    }
  };
  const apply = (scheme) => {
    document.documentElement.dataset.scheme = scheme;
    for (const each of document.querySelectorAll("input[name=scheme]")) {
      each.checked = each.value === scheme;
    }
  };
  apply(chosen());
  document.addEventListener("DOMContentLoaded", () => apply(chosen()));
  document.addEventListener("change", ({ target }) => {
    if (target.name !== "scheme") return;
    apply(target.value);
    try {
      localStorage.setItem(PLACE, target.value);
    } catch {
      // Then it holds for this page alone.
    }
  });
  window.addEventListener("storage", ({ key }) => {
    if (key === PLACE) apply(chosen()); // chosen in another tab
  });
})();
