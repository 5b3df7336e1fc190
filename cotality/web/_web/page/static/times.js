// How long the jobs of each function wait, and run.

import { askJson } from "./ask.js";
import { at, keyed, make, plain, say, show } from "./dom.js";
import { seconds, whole } from "./words.js";

export class Times {
  async refresh() {
    const times = await askJson("times");
    show(at("no-times"), times.length === 0);
    show(at("times-table"), times.length > 0);
    keyed(at("times-rows"), times, ({ name }) => name, create, draw);
  }
}

function create({ name }) {
  const cells = Array.from({ length: 5 }, () => make("td", { class: "number" }));
  return make("tr", {}, make("th", { scope: "row", class: "raw" }, plain(name)), ...cells);
}

function draw(row, { wait, run }) {
  const told = [run.count, wait.p50, wait.p95, run.p50, run.p95];
  const [, ...cells] = row.children;
  cells.forEach((cell, place) => {
    const value = told[place];
    if (value === null) say(cell, "–");
    else say(cell, place ? seconds(value) : whole(value));
  });
}
