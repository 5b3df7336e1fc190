// Asks before something is gone for good.

import { at, say } from "./dom.js";

// Resolves to whether somebody has said yes.
export function confirmed(question, yes) {
  const dialog = at("sure");
  say(at("sure-question"), question);
  say(at("sure-yes"), yes);
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {
      once: true,
    });
    dialog.showModal();
  });
}
