// Does something again and again: later while the service is away, slower while nobody
// looks at the page, and at once when somebody does.

import { Away, Problem } from "./ask.js";
import { isLocked } from "./key.js";

const FIRST_MS = 500; // after which a service that was away is asked again
const LAST_MS = 8000;
const HIDDEN_MS = 15_000;

export class Keeping {
  // `work` is what to do, `pause` the milliseconds after it. `fault` hears what `work` has
  // thrown, and null when it went well.
  constructor(work, pause, fault = () => {}) {
    Object.assign(this, { work, pause, fault });
    this.timer = null;
    this.failures = 0;
    this.isRunning = this.isWanted = this.hasEnded = false;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.soon();
    });
  }

  // Do it now, or once more if it is being done.
  async soon() {
    if (this.hasEnded) return;
    if (this.isRunning) {
      this.isWanted = true;
      return;
    }
    clearTimeout(this.timer);
    this.isRunning = true;
    let wait = this.pause();
    try {
      if (!isLocked()) await this.work();
      this.failures = 0;
      this.fault(null);
      wait = Math.max(this.pause(), document.hidden ? HIDDEN_MS : 0);
    } catch (error) {
      wait = this.after(error, wait);
      if (error instanceof Away || error instanceof Problem) this.fault(error);
      else reportError(error); // a fault of the page, which goes on all the same
    }
    this.isRunning = false;
    if (this.isWanted) {
      this.isWanted = false;
      if (this.failures === 0) wait = 0;
    }
    this.timer = setTimeout(() => this.soon(), wait);
  }

  after(error, wait) {
    this.failures += 1;
    if (error instanceof Away) {
      return Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(this.failures - 1, 6));
    }
    return Math.max(wait, 1000 * (error.retryAfter ?? 2));
  }

  end() {
    this.hasEnded = true;
    clearTimeout(this.timer);
  }
}
