// Says when the service does not answer, and when it does again.

import { line } from "./ask.js";
import { at, make, show } from "./dom.js";
import { speak } from "./speak.js";

const SHOWN_MS = 8000; // that it is back

// `again` asks at once.
export function tellWhenAway(again) {
  let timer = null;
  at("away-again").addEventListener("click", again);
  line.addEventListener("away", () => {
    clearTimeout(timer);
    tell("away", "The service does not answer.", " What was started goes on as soon as it is back; this page looks again by itself.");
    speak("The service does not answer. This page looks again by itself.");
  });
  line.addEventListener("back", () => {
    tell("back", "The service answers again.", " All that is shown is as it stands now.");
    speak("The service answers again.");
    timer = setTimeout(() => show(at("away"), false), SHOWN_MS);
    again();
  });
}

function tell(kind, text, more) {
  const banner = at("away");
  banner.className = `banner ${kind}`;
  at("away-text").replaceChildren(make("b", {}, text), more);
  show(at("away-again"), kind === "away");
  show(banner, true);
}
