// The chart of a comparison: a bar for each method, drawn to the width that there is.

import { makeSvg } from "./dom.js";
import { fine, seconds } from "./words.js";

const ROW = 46;
const TOP = 4;
const BAR = 14;
const AXIS = 30;
const EDGE = 1; // so that no line is cut off
const MANY = 50; // times as slow, from which on a linear scale hides the quick ones

export const needsLogarithm = (methods) => {
  const all = methods.map((each) => each.estimated_seconds);
  return Math.max(...all) > MANY * Math.min(...all);
};

// `title` says what a method is called.
export function chart(comparison, { width, isLogarithmic, title }) {
  const { methods } = comparison;
  const height = TOP + methods.length * ROW + AXIS;
  const scale = scaleOf(methods, width - 2 * EDGE, isLogarithmic);
  const summary = methods
    .map((each) => `${title(each.method)} ${told(each)}`)
    .join("; ");
  return makeSvg(
    "svg",
    {
      role: "img",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "aria-labelledby": "chart-title chart-text",
    },
    makeSvg("title", { id: "chart-title" }, "Seconds for all items, by method"),
    makeSvg("desc", { id: "chart-text" }, `The best first: ${summary}.`),
    makeSvg("defs", {}, hatching("hatched"), hatching("hatched-best")),
    makeSvg(
      "g",
      { transform: `translate(${EDGE} 0)` },
      axis(scale, height - AXIS),
      ...methods.map((each, number) =>
        row(each, TOP + number * ROW, scale, {
          name: title(each.method),
          isBest: each.method === comparison.best_approach,
          width: width - 2 * EDGE,
        }),
      ),
    ),
  );
}

export const told = (each) =>
  each.is_estimate
    ? `about ${seconds(each.estimated_seconds)}, estimated`
    : `${seconds(each.estimated_seconds)}, measured`;

function row(each, top, scale, { name, isBest, width }) {
  const middle = top + 22 + BAR / 2;
  const end = scale.x(each.estimated_seconds);
  const label = makeSvg("text", { x: 0, y: top + 15, class: "name" }, name);
  if (isBest) label.append(makeSvg("tspan", { class: "star", dx: 8 }, "★ best"));
  const about = each.is_estimate ? "≈ " : "";
  const group = makeSvg(
    "g",
    {
      class: isBest ? "row best" : "row",
      "data-method": each.method,
      "data-seconds": each.estimated_seconds,
    },
    label,
    makeSvg(
      "text",
      { x: width, y: top + 15, class: "value", "text-anchor": "end" },
      `${about}${seconds(each.estimated_seconds)}`,
    ),
    makeSvg("rect", {
      class: each.is_estimate ? "bar estimated" : "bar measured",
      x: 0,
      y: top + 22,
      width: Math.max(2, end),
      height: BAR,
      rx: 3,
      fill: each.is_estimate ? `url(#hatched${isBest ? "-best" : ""})` : "currentColor",
    }),
  );
  if (each.is_estimate) group.append(whisker(each, middle, scale));
  return group;
}

// Between which times it hardly is not.
function whisker({ estimated_low, estimated_high }, y, scale) {
  const low = scale.x(estimated_low);
  const high = Math.max(scale.x(estimated_high), low + 1);
  const path = `M${low} ${y}H${high}M${low} ${y - 5}v10M${high} ${y - 5}v10`;
  return makeSvg("path", { class: "whisker", d: path, fill: "none" });
}

function hatching(id) {
  const pattern = { id, width: 8, height: 8, patternUnits: "userSpaceOnUse", class: id };
  return makeSvg(
    "pattern",
    pattern,
    makeSvg("rect", { width: 8, height: 8, class: "hatch-back" }),
    makeSvg("path", { d: "M-2 2L2 -2M0 8L8 0M6 10L10 6", class: "hatch" }),
  );
}

function axis(scale, y) {
  const group = makeSvg("g", { class: "axis", "aria-hidden": "true" });
  for (const tick of scale.ticks) {
    const x = scale.x(tick);
    group.append(
      makeSvg("line", { x1: x, x2: x, y1: TOP, y2: y }),
      makeSvg("text", { x, y: y + 18, "text-anchor": anchor(tick, scale) }, label(tick)),
    );
  }
  return group;
}

function anchor(tick, { ticks }) {
  if (tick === ticks[0]) return "start";
  return tick === ticks.at(-1) ? "end" : "middle";
}

// Always in seconds, so that people see by how much one is more than another.
const label = (tick) => (tick === 0 || tick >= 1 ? `${fine(tick)} s` : seconds(tick));

function scaleOf(methods, width, isLogarithmic) {
  const high = Math.max(...methods.map((each) => Math.max(each.estimated_high, each.estimated_seconds)));
  const low = Math.min(...methods.map((each) => Math.min(each.estimated_low, each.estimated_seconds)));
  return isLogarithmic ? logarithmic(low, high, width) : linear(high, width);
}

function linear(high, width) {
  const room = Math.max(2, Math.floor(width / 90));
  const rough = high / room;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const end = Math.ceil(high / step) * step;
  const ticks = [];
  for (let number = 0; number * step <= end * 1.0001; number += 1) ticks.push(number * step);
  return { x: (value) => (width * value) / end, ticks };
}

function logarithmic(low, high, width) {
  const begin = Math.floor(Math.log10(Math.max(low, 1e-6)) - 0.1);
  const end = Math.max(begin + 1, Math.ceil(Math.log10(high)));
  const every = Math.ceil((end - begin) / Math.max(2, Math.floor(width / 80)));
  const ticks = [];
  for (let power = begin; power <= end; power += every) ticks.push(10 ** power);
  const x = (value) =>
    (width * (Math.log10(Math.max(value, 10 ** begin)) - begin)) / (end - begin);
  return { x, ticks };
}
