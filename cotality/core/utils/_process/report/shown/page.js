"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const texts = data.texts;
  const rows = data.rows.map((spans, row) => spans.map((s) => spanOf(s, row)).sort((a, b) => a.start - b.start));
  const all = rows.flat();
  const whole = Math.max(data.wall, ...rows.map((spans) => spans.reduce((end, s) => Math.max(end, s.end), 0)), 0);
  const shortest = Math.max(whole * 1e-6, 1e-6); // seconds that the view can show
  const timeline = $("timeline"), scroller = $("rows"), tooltip = $("tooltip");
  const canvas = $("spans"), axis = $("axis"), overview = $("overview");
  const rowHeight = [[4, 38], [10, 30], [24, 22], [80, 16]].find(([most]) => rows.length <= most)?.[1] ?? 12;
  const kinds = kindsOf(all);

  const view = { from: 0, to: whole };
  let colours = {};
  let chosen = null; // the span the tooltip is about
  let byKeyboard = false; // whether the keyboard chose it
  let waiting = false; // for the next frame

  function spanOf(s, row) {
    return {
      start: s[0], end: s[1], index: s[2], count: s[3], busy: s[4], call: texts[s[5]], worker: texts[s[6]],
      attempt: s[7], failed: s[8], died: s[9], error: texts[s[10]], row, kind: 0,
    };
  }

  // One colour for each of the functions that took most of the time, one for the rest.
  function kindsOf(spans) {
    const seconds = new Map();
    const nameOf = (span) => span.call.split("(")[0];
    for (const span of spans) seconds.set(nameOf(span), (seconds.get(nameOf(span)) ?? 0) + span.busy);
    const names = [...seconds].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const shown = names.length > 5 ? [...names.slice(0, 4), "other functions"] : names;
    const place = new Map(names.map((name, i) => [name, Math.min(i, 4)]));
    for (const span of spans) span.kind = place.get(nameOf(span));
    return shown;
  }

  // Figures with units.

  function seconds(value, digits = 3) {
    if (value >= 120) return `${Math.floor(Math.round(value) / 60)} min ${Math.round(value) % 60} s`;
    for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
      if (value >= 0.9995 * size) return `${Number((value / size).toPrecision(digits))} ${unit}`;
    }
    return value > 0 ? `${Math.round(value * 1e9)} ns` : "0 s";
  }

  const number = (value) => value.toLocaleString("en");

  function tickStep(range, most) {
    const rough = range / Math.max(1, most);
    if (range > 300) {
      return [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].find((s) => s >= rough) ?? 604800;
    }
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough * 0.999);
  }

  function tickText(value, step) {
    if (value === 0) return "0";
    if (view.to > 300 && step >= 1) {
      const minutes = Math.floor(value / 60 + 1e-9), rest = Math.round(value - 60 * minutes);
      return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
    }
    const [unit, size] = view.to >= 1 ? ["s", 1] : view.to >= 1e-3 ? ["ms", 1e-3] : ["µs", 1e-6];
    const digits = Math.max(0, -Math.floor(Math.log10(step / size) + 1e-9));
    return `${(value / size).toFixed(digits)} ${unit}`;
  }

  // Drawing.

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["card", "text", "quiet", "line", "grid", "stripe", "accent", "fail", "died", "focus", "brush", "on-kind"];
    colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    colours.kinds = [0, 1, 2, 3, 4].map((i) => style.getPropertyValue(`--kind-${i}`).trim());
  }

  function prepared(element, height) {
    const width = element.clientWidth, ratio = window.devicePixelRatio || 1;
    if (height !== undefined) element.style.height = `${height}px`;
    const tall = height ?? element.clientHeight;
    const wanted = [Math.round(width * ratio), Math.round(tall * ratio)];
    if (element.width !== wanted[0]) element.width = wanted[0];
    if (element.height !== wanted[1]) element.height = wanted[1];
    const pen = element.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, tall);
    pen.font = "12px system-ui, sans-serif";
    return { pen, width, height: tall };
  }

  function ask() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function draw() {
    // A scroll bar beside the rows must not shift them against the axis.
    timeline.style.setProperty("--gutter", `${scroller.offsetWidth - scroller.clientWidth}px`);
    drawOverview();
    const ticks = drawAxis();
    const drawn = drawRows(ticks);
    $("range").textContent = isWhole() ? "whole run" : `${seconds(view.to - view.from)} shown`;
    $("zoom-out").disabled = $("fit").disabled = isWhole();
    $("zoom-in").disabled = view.to - view.from <= shortest * 1.001;
    Object.assign(timeline.dataset, { from: view.from, to: view.to, drawn, workers: rows.length, spans: all.length });
  }

  function drawAxis() {
    const { pen, width, height } = prepared(axis);
    const step = tickStep(view.to - view.from, width / 110), ticks = [];
    pen.fillStyle = colours.quiet;
    pen.textBaseline = "middle";
    for (let i = Math.ceil(view.from / step - 1e-9); i * step <= view.to + step * 1e-9; i++) {
      const x = xOf(i * step, width), text = tickText(i * step, step), half = pen.measureText(text).width / 2;
      ticks.push(x);
      pen.textAlign = x < half ? "left" : x > width - half ? "right" : "center";
      pen.fillText(text, x, height / 2);
    }
    return ticks;
  }

  function drawRows(ticks) {
    const total = rows.length * rowHeight;
    const { pen, width, height } = prepared(canvas, Math.min(total, scroller.clientHeight || total));
    const top = scroller.scrollTop;
    const first = Math.floor(top / rowHeight), last = Math.min(rows.length - 1, Math.floor((top + height) / rowHeight));
    for (let row = first; row <= last; row++) {
      if (row % 2) { pen.fillStyle = colours.stripe; pen.fillRect(0, row * rowHeight - top, width, rowHeight); }
    }
    pen.fillStyle = colours.grid;
    for (const x of ticks) pen.fillRect(Math.round(x), 0, 1, height);
    if (data.wall > view.from && data.wall < view.to) { // after the run there is nothing
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(xOf(data.wall, width)), 0, 1, height);
    }
    let drawn = 0;
    for (let row = first; row <= last; row++) drawn += drawRow(pen, width, row, row * rowHeight - top);
    if (chosen) outline(pen, width, chosen, chosen.row * rowHeight - top);
    return drawn;
  }

  function drawRow(pen, width, row, y) {
    const spans = rows[row], pad = rowHeight > 14 ? 3 : 1, tall = rowHeight - 2 * pad, wrong = [];
    let drawn = 0, filledTo = -1;
    for (let i = firstEndingAfter(spans, view.from); i < spans.length && spans[i].start < view.to; i++) {
      const span = spans[i];
      if (span.failed) { wrong.push(span); continue; }
      const x = xOf(span.start, width), end = xOf(span.end, width);
      if (end <= filledTo) continue; // hidden behind what is there: less than a pixel
      const gap = end - x > 4 ? 1 : 0; // so that neighbours can be told apart
      pen.globalAlpha = span.count > 1 ? 0.62 : 1;
      pen.fillStyle = colours.kinds[span.kind];
      pen.fillRect(Math.max(x, -1), y + pad, Math.max(Math.min(end, width + 1) - Math.max(x, -1) - gap, 0.75), tall);
      pen.globalAlpha = 1;
      label(pen, span, Math.max(x, 0), Math.min(end, width), y);
      filledTo = Math.max(filledTo, Math.floor(end * 2) / 2);
      drawn++;
    }
    let markedTo = -9;
    for (const span of wrong) {
      const x = xOf(span.start, width), end = xOf(span.end, width);
      failure(pen, span, Math.max(x, -1), Math.max(Math.min(end, width + 1), x + 1.5), y, pad, tall, x > markedTo);
      if (x > markedTo) markedTo = x + 4;
      drawn++;
    }
    return drawn;
  }

  // Another colour and another shape: hatched, with a mark that stays at any width.
  function failure(pen, span, x, end, y, pad, tall, isMarked) {
    pen.fillStyle = span.died ? colours.died : colours.fail;
    const gap = end - x > 4 ? 1 : 0;
    pen.fillRect(x, y + pad, end - x - gap, tall);
    if (end - x > 14) {
      pen.save();
      pen.beginPath();
      pen.rect(x, y + pad, end - x - gap, tall);
      pen.clip();
      pen.strokeStyle = colours.card;
      pen.globalAlpha = 0.35;
      pen.lineWidth = 2;
      pen.beginPath();
      for (let at = x - tall; at < end; at += 8) { pen.moveTo(at, y + pad + tall); pen.lineTo(at + tall, y + pad); }
      pen.stroke();
      pen.restore();
    }
    if (isMarked) mark(pen, span.died > 0, Math.min(Math.max((x + end) / 2, 6), canvas.clientWidth - 6), y + rowHeight / 2, Math.min(5, tall / 2));
  }

  function mark(pen, isCross, x, y, size) {
    pen.lineJoin = "round";
    if (isCross) {
      pen.beginPath();
      pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size);
      pen.moveTo(x + size, y - size); pen.lineTo(x - size, y + size);
      pen.strokeStyle = colours.card; pen.lineWidth = 5; pen.stroke();
      pen.strokeStyle = colours.died; pen.lineWidth = 2.2; pen.stroke();
      return;
    }
    pen.beginPath();
    pen.moveTo(x - size, y - size * 0.8); pen.lineTo(x + size, y - size * 0.8); pen.lineTo(x, y + size);
    pen.closePath();
    pen.strokeStyle = colours.card; pen.lineWidth = 3; pen.stroke();
    pen.fillStyle = colours.fail; pen.fill();
  }

  function label(pen, span, x, end, y) {
    if (rowHeight < 20 || end - x < 24) return;
    let text = span.count > 1 ? `${number(span.count)} runs of ${span.call}` : span.call;
    const fits = Math.floor((end - x - 12) / 6.4); // characters, roughly
    if (text.length > fits) {
      const brief = span.count > 1 ? `${number(span.count)}×` : `${span.index}`;
      text = fits >= 12 ? `${text.slice(0, fits - 1)}…` : brief.length <= fits ? brief : "";
    }
    pen.fillStyle = colours["on-kind"];
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(text, x + 6, y + rowHeight / 2 + 0.5, end - x - 10);
  }

  function outline(pen, width, span, y) {
    const x = xOf(span.start, width), end = Math.max(xOf(span.end, width), x + 2);
    pen.lineWidth = 2;
    pen.strokeStyle = colours.focus;
    pen.strokeRect(x - 1, y + 1, end - x + 2, rowHeight - 2);
  }

  let busyBins = [];
  function drawOverview() {
    const { pen, width, height } = prepared(overview);
    const bins = Math.max(1, Math.floor(width));
    if (busyBins.length !== bins) busyBins = busyIn(bins);
    const most = Math.max(1, data.workers.length), floor = height - 5, tall = floor - 6;
    pen.beginPath();
    pen.moveTo(0, floor);
    busyBins.forEach((busy, x) => { pen.lineTo(x, floor - tall * Math.min(1, busy / most)); pen.lineTo(x + 1, floor - tall * Math.min(1, busy / most)); });
    pen.lineTo(bins, floor);
    pen.closePath();
    pen.fillStyle = colours.kinds[0];
    pen.globalAlpha = 0.55;
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = colours.line;
    pen.fillRect(0, floor, width, 1);
    pen.fillStyle = colours.fail;
    let last = -9;
    for (const span of failures) {
      const x = (span.end / whole) * width;
      if (x - last > 2) { pen.fillRect(x - 1, 0, 2, 5); last = x; }
    }
    if (!isWhole()) {
      const x = (view.from / whole) * width, end = Math.max((view.to / whole) * width, x + 2);
      pen.fillStyle = colours.brush;
      pen.fillRect(x, 0, end - x, height);
      pen.fillStyle = colours.accent;
      pen.fillRect(x, 0, 1.5, height);
      pen.fillRect(end - 1.5, 0, 1.5, height);
    }
  }

  const failures = all.filter((span) => span.failed).sort((a, b) => a.end - b.end);

  // How many workers were busy in each of so many equal parts of the run.
  function busyIn(bins) {
    const busy = new Float64Array(bins), size = whole / bins;
    for (const span of all) {
      const density = span.end > span.start ? Math.min(1, span.busy / (span.end - span.start)) : 0;
      const last = Math.min(bins - 1, Math.floor(span.end / size));
      for (let bin = Math.max(0, Math.floor(span.start / size)); bin <= last; bin++) {
        const part = Math.min(span.end, (bin + 1) * size) - Math.max(span.start, bin * size);
        busy[bin] += (density * Math.max(0, part)) / size;
      }
    }
    return busy;
  }

  // Where things are.

  const xOf = (at, width) => ((at - view.from) / (view.to - view.from)) * width;
  const timeAt = (x) => view.from + (x / Math.max(1, canvas.clientWidth)) * (view.to - view.from);
  const isWhole = () => view.from <= 0 && view.to >= whole;

  function firstEndingAfter(spans, at) {
    let low = 0, high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle].end > at) high = middle; else low = middle + 1;
    }
    return low;
  }

  function spanAt(x, y) {
    const row = Math.floor((y + scroller.scrollTop) / rowHeight), spans = rows[row];
    if (!spans) return null;
    const reach = (3 / Math.max(1, canvas.clientWidth)) * (view.to - view.from), at = timeAt(x);
    let best = null, distance = reach;
    for (let i = firstEndingAfter(spans, at - reach); i < spans.length && spans[i].start <= at + reach; i++) {
      const away = Math.max(spans[i].start - at, at - spans[i].end, 0);
      const isBetter = best === null || away < distance || (away === distance && spans[i].failed && !best.failed);
      if (away <= reach && isBetter) { best = spans[i]; distance = away; }
    }
    return best;
  }

  function show(from, to) {
    const length = Math.min(whole, Math.max(shortest, to - from));
    const middle = (from + to) / 2;
    view.from = Math.min(Math.max(0, middle - length / 2), whole - length);
    view.to = view.from + length;
    ask();
  }

  function zoom(factor, around = (view.from + view.to) / 2) {
    const length = Math.min(whole, Math.max(shortest, (view.to - view.from) * factor));
    const part = (around - view.from) / (view.to - view.from);
    show(around - part * length, around + (1 - part) * length);
  }

  function move(by) {
    show(view.from + by, view.to + by);
  }

  // What a person is told of a task.

  function choose(span, x, y, fromKeyboard = false) {
    if (chosen !== span) { chosen = span; ask(); }
    byKeyboard = fromKeyboard && span !== null;
    tooltip.hidden = span === null;
    if (span === null) return;
    fill(span);
    const box = tooltip.getBoundingClientRect();
    tooltip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tooltip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(8, y - box.height - 12) : y + 18}px`;
  }

  function fill(span) {
    const title = line("b", span.count > 1 ? `${number(span.count)} short runs, tasks ${number(span.index)} and on` : `Task ${number(span.index)}`);
    if (span.attempt > 1 && span.count === 1) title.textContent += `, attempt ${span.attempt}`;
    const took = span.count > 1 ? `${seconds(span.busy)} in tasks, ${seconds(span.busy / span.count)} each` : seconds(span.busy);
    const parts = [title, line("code", span.call), line("div", `${took}, from ${seconds(span.start, 4)} on`), line("div", span.worker)];
    if (span.failed) {
      const how = span.died ? "Ended with its worker" : span.count > 1 ? `${number(span.failed)} failed, the first with` : "Failed";
      parts.push(line("div", `${span.died ? "✕" : "▼"} ${how}: ${span.error}`, "wrong"));
    }
    tooltip.replaceChildren(...parts);
  }

  function line(kind, text, name = "") {
    const element = document.createElement(kind);
    element.textContent = text;
    element.className = name;
    return element;
  }

  function chooseByKeyboard(span) {
    if (!span) return;
    const length = view.to - view.from;
    if (span.start < view.from || span.end > view.to) {
      if (span.end - span.start < length) show((span.start + span.end - length) / 2, (span.start + span.end + length) / 2);
      else show(span.start, span.start + length);
    }
    const top = span.row * rowHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    if (top + rowHeight > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + rowHeight - scroller.clientHeight;
    const box = canvas.getBoundingClientRect();
    const x = Math.min(Math.max(xOf((span.start + span.end) / 2, box.width), 0), box.width);
    choose(span, box.left + x, box.top + top - scroller.scrollTop + rowHeight / 2, true);
  }

  function neighbour(step) {
    if (!chosen) return all.length ? rows.find((spans) => spans.length)[0] : null;
    const spans = rows[chosen.row];
    return spans[Math.min(spans.length - 1, Math.max(0, spans.indexOf(chosen) + step))];
  }

  function inOtherRow(step) {
    if (!chosen) return neighbour(0);
    for (let row = chosen.row + step; rows[row]; row += step) {
      const spans = rows[row];
      if (spans.length) return spans[Math.min(spans.length - 1, firstEndingAfter(spans, chosen.start))];
    }
    return chosen;
  }

  // Hands.

  const keys = {
    ArrowLeft: () => chooseByKeyboard(neighbour(-1)),
    ArrowRight: () => chooseByKeyboard(neighbour(1)),
    ArrowUp: () => chooseByKeyboard(inOtherRow(-1)),
    ArrowDown: () => chooseByKeyboard(inOtherRow(1)),
    Enter: () => {
      if (!chosen) return;
      const room = Math.max((chosen.end - chosen.start) / 4, shortest);
      show(chosen.start - room, chosen.end + room);
      chooseByKeyboard(chosen);
    },
    Escape: () => choose(null),
    "+": () => zoomByKey(0.6), "=": () => zoomByKey(0.6), "-": () => zoomByKey(1 / 0.6),
    0: () => show(0, whole), Home: () => show(0, whole),
    PageUp: () => move(-(view.to - view.from) * 0.8), PageDown: () => move((view.to - view.from) * 0.8),
  };

  function zoomByKey(factor) {
    const isSeen = chosen && chosen.end > view.from && chosen.start < view.to;
    zoom(factor, isSeen ? Math.min(Math.max((chosen.start + chosen.end) / 2, view.from), view.to) : undefined);
    if (byKeyboard) chooseByKeyboard(chosen);
  }

  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  canvas.addEventListener("blur", () => choose(null));

  function onWheel(event) {
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const delta = (isSideways && event.deltaX ? event.deltaX : event.deltaY) * unit;
    // With the whole run in view there is nothing to zoom out of: the page scrolls on.
    if (isWhole() && (isSideways || delta > 0)) return;
    event.preventDefault();
    if (isSideways) move((delta / canvas.clientWidth) * (view.to - view.from));
    else zoom(Math.exp(Math.max(-200, Math.min(200, delta)) * 0.0025), timeAt(event.offsetX));
    if (chosen) choose(null);
  }
  canvas.addEventListener("wheel", onWheel, { passive: false });
  axis.addEventListener("wheel", onWheel, { passive: false });

  let held = null; // where a drag began
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = { x: event.clientX, from: view.from, to: view.to };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held) {
      const by = ((held.x - event.clientX) / canvas.clientWidth) * (held.to - held.from);
      show(held.from + by, held.to + by);
      return choose(null);
    }
    choose(spanAt(event.offsetX, event.offsetY), event.clientX, event.clientY);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = null; });
  canvas.addEventListener("pointerleave", () => { if (!held && !byKeyboard) choose(null); });
  canvas.addEventListener("dblclick", (event) => {
    const span = spanAt(event.offsetX, event.offsetY);
    if (span) { chosen = span; keys.Enter(); } else zoom(0.4, timeAt(event.offsetX));
  });

  let picked = null; // where picking a part began, in seconds
  const pickAt = (event) => Math.min(whole, Math.max(0, (event.offsetX / overview.clientWidth) * whole));
  overview.addEventListener("pointerdown", (event) => {
    picked = pickAt(event);
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener("pointermove", (event) => {
    const at = picked === null ? null : pickAt(event);
    if (at !== null && Math.abs(at - picked) > (whole / overview.clientWidth) * 3) show(Math.min(picked, at), Math.max(picked, at));
  });
  overview.addEventListener("pointerup", (event) => {
    const at = pickAt(event), length = view.to - view.from;
    if (Math.abs(at - picked) <= (whole / overview.clientWidth) * 3) show(at - length / 2, at + length / 2);
    picked = null;
  });
  overview.addEventListener("dblclick", () => show(0, whole));

  $("zoom-in").addEventListener("click", () => zoom(0.5));
  $("zoom-out").addEventListener("click", () => zoom(2));
  $("fit").addEventListener("click", () => show(0, whole));
  scroller.addEventListener("scroll", () => { if (!byKeyboard) choose(null); ask(); });
  addEventListener("scroll", () => { if (chosen) choose(null); }, { passive: true });

  // The page.

  function drawLegend() {
    const items = kinds.map((name, kind) => [name, (pen) => { pen.fillStyle = colours.kinds[kind]; pen.fillRect(1, 3, 14, 10); }]);
    if (all.some((span) => span.count > 1)) {
      items.push(["several short runs", (pen) => { pen.globalAlpha = 0.62; pen.fillStyle = colours.kinds[0]; pen.fillRect(1, 3, 14, 10); }]);
    }
    if (all.some((span) => span.failed > span.died)) items.push(["failed", (pen) => mark(pen, false, 8, 8, 5)]);
    if (all.some((span) => span.died)) items.push(["ended with its worker", (pen) => mark(pen, true, 8, 8, 5)]);
    $("legend").replaceChildren(...items.map(([name, paint]) => {
      const item = document.createElement("li"), sample = document.createElement("canvas");
      item.append(sample, line("span", name));
      item.title = name;
      const ratio = window.devicePixelRatio || 1;
      sample.width = sample.height = 16 * ratio;
      const pen = sample.getContext("2d");
      pen.scale(ratio, ratio);
      paint(pen);
      return item;
    }));
  }

  function drawAll() {
    readColours();
    drawLegend();
    ask();
  }

  $("names").replaceChildren(...data.workers.map((name) => {
    const item = line("li", name);
    item.style.height = `${rowHeight}px`;
    item.title = name;
    return item;
  }));
  $("names").classList.toggle("dense", rowHeight < 16);
  if (!all.length) {
    $("empty").hidden = false;
    for (const id of ["rows", "overview", "axis", "range"]) $(id).hidden = true;
    document.querySelectorAll(".corner, .hint, .buttons").forEach((element) => { element.hidden = true; });
    Object.assign(timeline.dataset, { workers: 0, spans: 0 });
    return;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(ask).observe(timeline);
  drawAll();
})();
