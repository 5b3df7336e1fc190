// The fields of a task or a comparison, and what the service says against them.

import { Check, Field } from "./field.js";
import { make, plain, say } from "./dom.js";
import { fine } from "./words.js";

const LABELS = {
  items_count: "Items",
  workers: "Workers",
  batch_size: "Batch size",
  budget_s: "Time to measure",
  simulate_db_delay: "Delay each query",
  db_delay_s: "Delay of each query",
  simulate_redis_delay: "Delay each look-up",
  redis_delay_s: "Delay of each look-up",
};
const UNITS = { budget_s: "s", db_delay_s: "s", redis_delay_s: "s" };
const DELAYS = [
  ["simulate_db_delay", "db_delay_s"],
  ["simulate_redis_delay", "redis_delay_s"],
];

export class Fields {
  // `schemas` has that of each field by its name; `names` which numbers are asked for.
  constructor(prefix, schemas, names, offers) {
    this.all = new Map();
    const placeholders = {
      db_delay_s: fine(offers.db_delay_s),
      redis_delay_s: "0.001 to 0.01",
      budget_s: fine(offers.compare_budget_s),
    };
    const add = (Kind, name) => {
      const label = LABELS[name];
      const words = { label, unit: UNITS[name], placeholder: placeholders[name] };
      const field = new Kind(prefix, name, schemas[name], words);
      this.all.set(name, field);
      return field.root;
    };
    this.root = make("div", { class: "fields" }, ...names.map((name) => add(Field, name)));
    for (const [check, number] of DELAYS) {
      this.root.append(
        make("div", { class: "delay" }, add(Check, check), add(Field, number)),
      );
      const { input } = this.all.get(check);
      input.addEventListener("change", () => this.follow());
    }
    this.follow();
  }

  // A delay that does not act is not asked for.
  follow() {
    for (const [check, number] of DELAYS) {
      this.all.get(number).input.disabled = !this.all.get(check).value;
    }
  }

  // What is said, by the names of the service.
  get values() {
    const said = [...this.all].filter(
      ([, field]) => field.value !== undefined && !field.input.disabled,
    );
    return Object.fromEntries(said.map(([name, field]) => [name, field.value]));
  }

  set values(config) {
    for (const [name, field] of this.all) {
      if (name in config) field.value = config[name];
    }
    this.follow();
  }

  // Show what is wrong: at its field, or at `place` if it is of none. No error: nothing.
  tell(error, place) {
    for (const field of this.all.values()) field.problem = "";
    const left = [];
    for (const { field = "", problem = "" } of error?.errors ?? []) {
      const found = this.all.get(String(field).split(".").at(-1));
      if (found instanceof Field) found.problem = problem;
      else left.push(`${field}: ${problem}`);
    }
    const isTold = error !== null && error.errors?.length && !left.length;
    say(place, error === null || isTold ? "" : plain(left.join("; ") || error.message));
    this.root.querySelector("[aria-invalid]")?.focus();
  }
}
