// The way back: pages of queues stand alone in many services, and only this one has a page
// of tasks. That page says so here when somebody has seen it.

import { BASE } from "./ask.js";

const PLACE = "cotality-home";

export function isHome() {
  try {
    localStorage.setItem(PLACE, BASE.href);
  } catch {
    // Storage is forbidden; then there is no way back but the browser's own.
  }
}

export function homeOf(nav, link) {
  let home = null;
  try {
    home = localStorage.getItem(PLACE);
  } catch {
    return;
  }
  if (home === null || !URL.canParse(home)) return;
  const { origin, pathname } = new URL(home);
  // Nothing that is stored leads elsewhere.
  if (origin !== BASE.origin || !BASE.pathname.startsWith(pathname)) return;
  link.href = pathname;
  nav.hidden = false;
}
