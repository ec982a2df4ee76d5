/* The Explorer: what schedules promise and lose, at any shape and on any distribution.

   Numbers come from dlm.js, lists and looks from the page. The state is a plain object that a link
   holds in full; what a reader types is checked as text, and drawn when all of it is right. */
(function () {
  "use strict";
  const root = document.getElementById("ex-root");
  if (!root || typeof dlm === "undefined") return;
  const find = (id) => document.getElementById("ex-" + id);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const { looks, gallery } = JSON.parse(find("data").textContent);

  const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const bySlug = (names) => Object.fromEntries(names.map((name) => [slug(name), name]));
  const SCHEDULES = bySlug(dlm.names), FAMILIES = bySlug(dlm.families);
  const AGGREGATES = {
    tc: (tc) => tc,
    dtc: (tc, dtc) => dtc,
    sum: (tc, dtc) => tc + dtc,
    min: Math.min,
    product: (tc, dtc) => (tc + dtc > 0 ? (tc / (tc + dtc)) * dtc : 0),
  };
  const LONGEST = dlm.longest, MOST = 1e100;
  const SLOW = ["best deterministic", "minimax"]; // of which a whole curve takes longest

  // ---- What was typed --------------------------------------------------------------------------

  const fields = all("[data-key]");
  const named = (boxes) => boxes.map((box) => box.dataset.show).join();
  const START = { draw: "1", show: named(all("[data-show][checked]")) };
  for (const field of fields) START[field.dataset.key] = field.defaultValue ?? field.value;

  /** What is wrong with one field, in a sentence that is shown beside it. */
  class Problem extends Error {
    constructor(field, sentence) {
      super(sentence);
      this.field = field;
    }
  }

  const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

  /** A finite number, or a Problem. What was typed is repeated only where it is a number. */
  function readNumber(field, name, text, least, most, whole) {
    const rule = `${name} must be a ${whole ? "whole " : ""}number from ${short(least)} to ${short(most)}`;
    const given = text.trim().replace("−", "-"), value = Number(given);
    if (!given) throw new Problem(field, `${rule}; the field is empty.`);
    if (!NUMERAL.test(given)) throw new Problem(field, `${rule}; this is no number.`);
    if (!Number.isFinite(value)) throw new Problem(field, `${rule}; this is too large.`);
    if (value < least || value > most || (whole && !Number.isInteger(value))) {
      throw new Problem(field, `${rule}, got ${short(value)}.`);
    }
    return value;
  }

  function readChoice(field, given) {
    if ([...find(field).options].some((option) => option.value === given)) return given;
    throw new Problem(field, "Choose one of the list; the link names another.");
  }

  /** The numbers of a pasted curve: anything but letters, digits and signs separates them. */
  function readCurve(text) {
    const wrong = (sentence) => new Problem("curve", sentence), h = [];
    for (const word of text.replaceAll("−", "-").split(/[^\w.+*-]+/).filter(Boolean)) {
      const [one, times = "1", more] = word.split("*"), place = `Entry ${h.length + 1} of the curve`;
      if (!NUMERAL.test(one) || !/^\d{1,6}$/.test(times) || more !== undefined) throw wrong(`${place} is no number.`);
      if (!(Math.abs(one) <= MOST)) throw wrong(`${place} must be at most 1e100.`);
      if (h.length + Number(times) > LONGEST) throw wrong(`The curve must have at most ${short(LONGEST)} numbers.`);
      for (let i = 0; i < times; i++) h.push(Number(one));
    }
    if (h.length < 2) throw wrong("Paste at least two numbers.");
    try {
      return dlm.checkProfile(h);
    } catch ({ message }) {
      throw wrong(`${message[0].toUpperCase()}${message.slice(1)}.`);
    }
  }

  const isFor = (node, of) => node.dataset.for.split(" ").includes(of);

  /** Checks all that was typed: the state, and what is wrong. */
  function read(text) {
    const problems = [], state = { parameters: {}, given: {} };
    const keep = (name, reading, into = state) => {
      try {
        into[name] = reading();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problems.push(error);
      }
    };
    keep("of", () => readChoice("of", text.of));
    keep("curve", () => (text.of === "own" ? readCurve(text.curve) : Object.hasOwn(gallery, text.of) ? gallery[text.of] : null));
    keep("L", () => state.curve?.length ?? readNumber("L", "L", text.L, 2, LONGEST, true));
    keep("K", () => readNumber("K", "K", text.K, 1, Math.min(LONGEST, state.L ?? LONGEST), true));
    for (const input of all("[data-least]").filter((input) => isFor(input.parentNode, text.of))) {
      const { key, name, least, most, whole } = input.dataset;
      const range = [Number(least), Number(most ?? state.L ?? LONGEST)];
      keep(key, () => {
        const value = readNumber(key, input.labels[0].textContent, text[key], ...range, whole);
        return (state.parameters[name] = value);
      }, state.given);
    }
    keep("measure", () => readChoice("measure", text.measure));
    keep("error", () => readNumber("error", "The target", text.error, 0, MOST));
    keep("draw", () => readNumber("link", "The number of the draw", text.draw, 1, 2 ** 31, true));
    keep("show", () => text.show.split(",").filter(Boolean).map((given) => {
      if (Object.hasOwn(SCHEDULES, given)) return SCHEDULES[given];
      throw new Problem("show", "Choose from this list; the link names another schedule.");
    }));
    return { state, problems };
  }

  // ---- Words -----------------------------------------------------------------------------------

  const raised = (n) => String(n).replace(/./g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign]));
  const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 20 });

  /** A number in at most so many digits, with a power of ten where it is very large or small. */
  function short(x, digits = 4) {
    const size = Math.abs(x);
    if (size === 0) return "0";
    if (Number.isInteger(x) && size < 1e7) return grouped.format(x);
    if (size >= 1e-4 && size < 1e7) return grouped.format(size >= 1e4 ? Math.round(x) : Number(x.toPrecision(digits)));
    const [first, power] = x.toExponential(digits - 1).split("e");
    return `${Number(first) === 1 ? "" : `${Number(first)} · `}10${raised(Number(power))}`;
  }

  const look = (name) => looks[name][state.measure] ?? looks[name][""];
  const label = (name) => look(name).label;

  // ---- Drawing ---------------------------------------------------------------------------------

  function element(space, tag, attributes = {}, ...children) {
    const made = document.createElementNS(space, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  const svg = element.bind(null, "http://www.w3.org/2000/svg");
  const html = element.bind(null, "http://www.w3.org/1999/xhtml");
  const path = (kind, d, dash = "none") => svg("path", { class: kind, d, "stroke-dasharray": dash });
  const words = (x, y, text, kind = "", anchor = "start") => svg("text", { x, y, class: kind, "text-anchor": anchor }, text);
  const round = (x) => Math.round(x * 10) / 10;

  function paint(node, name) {
    const { color, dark } = look(name);
    node.style.setProperty("--light", color);
    node.style.setProperty("--dark", dark);
    node.classList.add("ex-paint");
    return node;
  }

  /** The path of a schedule's mark. */
  function mark(name, x, y, size) {
    return `M${look(name).corners.map(([i, j]) => `${round(x + size * i)} ${round(y + size * j)}`).join("L")}Z`;
  }

  /** From values to pixels. */
  function scale([low, high], [from, to], log) {
    const f = log ? Math.log : (x) => x;
    const a = f(low), span = f(high) - a || 1;
    return (x) => from + ((f(x) - a) / span) * (to - from);
  }

  function ticks([low, high], log, most) {
    if (log) {
      const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
      const every = Math.max(1, Math.ceil((last - first + 1) / most));
      const found = [];
      for (let p = first - 1; p <= last; p++) {
        const factors = last - first < 2 ? [1, 2, 5] : [1];
        if (factors.length > 1 || (p - first) % every === 0) {
          found.push(...factors.map((factor) => Number(`${factor}e${p}`)));
        }
      }
      return found.filter((x) => x >= low * (1 - 1e-9) && x <= high * (1 + 1e-9));
    }
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
      found.push(Number((i * step).toPrecision(12)));
    }
    return found;
  }

  // as they are between two changes of size, so that no drawing waits for a layout
  const widths = {};
  function measure() {
    for (const figure of all("figure")) widths[figure.id.slice(3)] = figure.clientWidth;
  }

  /** An empty picture with its axes; `told` says in words what it shows. */
  function chart(name, { height = 240, above = 0, x, y, told }) {
    const figure = find(name), width = Math.max(260, widths[name]), left = y.name ? 46 : 2, right = 12, top = 22 + above, bottom = 38;
    const X = scale(x.range, [left, width - right], x.log);
    const Y = scale(y.range, [height - bottom, top], y.log);
    const title = figure.querySelector("b").textContent;
    const picture = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": `ex-${name}-title ex-${name}-words` },
      svg("title", { id: `ex-${name}-title` }, title),
      svg("desc", { id: `ex-${name}-words` }, told),
    );
    const grid = [];
    for (const value of y.name ? ticks(y.range, y.log, (height - bottom - top) / 34) : []) {
      const at = round(Y(value));
      grid.push(`M${left} ${at}H${width - right}`);
      picture.append(words(left - 6, at + 4, short(value), "", "end"));
    }
    for (const value of ticks(x.range, x.log, (width - left - right) / 70)) {
      const at = round(X(value));
      grid.push(`M${at} ${top}V${height - bottom}`);
      picture.append(words(at, height - bottom + 16, short(value), "", "middle"));
    }
    picture.append(
      path("ex-grid", grid.join("")),
      path("ex-axis", `M${left} ${y.name ? top : height - bottom}V${height - bottom}H${width - right}`),
      words(round((left + width - right) / 2), height - 5, x.name, "ex-name", "middle"),
      words(0, 11, y.name ?? "", "ex-name"),
    );
    figure.querySelector("svg")?.remove();
    figure.append(picture);
    return { picture, X, Y, left, right: width - right, top, bottom: height - bottom, x, y };
  }

  /** The line through n points: of many in one column of pixels, the lowest and the highest. */
  function line({ X, Y, x, y }, n, xs, ys) {
    const parts = [];
    let column = null, first, last, low, high, drawing = false;
    const flush = () => {
      if (column === null) return;
      const points = first === last && low === high ? [first] : [first, low, high, last];
      for (const at of points) {
        parts.push(`${drawing ? "L" : "M"}${column} ${round(at)}`);
        drawing = true;
      }
      column = null;
    };
    for (let i = 0; i < n; i++) {
      const value = ys(i);
      if (!(value >= y.range[0] * (1 - 1e-12))) {
        flush();
        drawing = false;
        continue;
      }
      const at = round(X(Math.min(xs(i), x.range[1]))), height = Y(value);
      const here = n > 400 ? Math.round(at) : at;
      if (here !== column) {
        flush();
        column = here;
        first = low = high = height;
      }
      last = height;
      low = Math.min(low, height);
      high = Math.max(high, height);
    }
    flush();
    return parts.join("");
  }

  function ring(plot, name, x, y) {
    plot.picture.append(paint(svg("circle", { class: "ex-ring", cx: round(plot.X(x)), cy: round(plot.Y(y)), r: 5.5 }), name));
  }

  /** A line in the look of its schedule, with a few markers on it. */
  function draw(plot, name, n, xs, ys, phase = 0) {
    const group = paint(svg("g"), name);
    group.append(path("ex-line", line(plot, n, xs, ys), look(name).dash || "none"));
    const marks = [];
    let next = plot.left + 14 + phase * 12;
    for (let i = 0; i < n; i++) {
      const at = plot.X(xs(i)), value = ys(i);
      if (at < next || !(value >= plot.y.range[0])) continue;
      marks.push(mark(name, at, plot.Y(value), 3.7));
      next = at + (plot.right - plot.left) / 5;
    }
    group.append(path("ex-fill", marks.join("")));
    plot.picture.append(group);
    return group;
  }

  function swatch(name) {
    return paint(
      svg("svg", { class: "ex-swatch", viewBox: "0 0 28 12", "aria-hidden": "true" },
        path("ex-line", "M0 6H28", look(name).dash || "none"),
        path("ex-fill", mark(name, 14, 6, 4.6))),
      name,
    );
  }

  /** The largest and the least of many numbers; of positive ones that are no rounding of zero. */
  function extent(lists, positive) {
    let low = Infinity, high = -Infinity;
    for (const list of lists) {
      for (const value of list) {
        if (positive && !(value > 1e-280)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    return low <= high ? [low, high] : [1, 1];
  }

  // ---- The numbers -----------------------------------------------------------------------------

  let text = { ...START }, state, numbers;

  /** Everything that the pictures of the present state need beside the errors for every K. */
  function compute() {
    const { of, L, K, measure, parameters } = state;
    const curveKey = [of, L, ...Object.values(parameters), of === "own" ? state.curve.join() : ""].join();
    if (numbers?.curveKey !== curveKey) {
      const h = state.curve ?? dlm.profile(FAMILIES[of], parameters, L);
      const tc = dlm.totalCorrelation(h), dtc = dlm.dualTotalCorrelation(h);
      numbers = { curveKey, h, tc, dtc, entropy: h.reduce((sum, x) => sum + x, 0) };
    }
    const key = [K, measure].join();
    if (numbers.key !== key) {
      const nats = AGGREGATES[measure](numbers.tc, numbers.dtc);
      const aggregate = find("measure").querySelector(`[value=${measure}]`).text;
      Object.assign(numbers, { key, aggregate, nats, made: new Map(), weights: dlm.residualWeights(measure, L) });
    }
  }

  /** A schedule of the present state, and what the pictures show of it. */
  function made(name) {
    if (!numbers.made.has(name)) {
      const { L, K, measure } = state, { h, weights } = numbers;
      const schedule = dlm.schedule(name, { length: L, steps: K, measure, profile: h });
      let most = 0, at = 0;
      const ratios = Float64Array.from(schedule.residual, (w, i) => {
        const ratio = w / weights[i];
        if (ratio > most) [most, at] = [ratio, i];
        return schedule.random ? ratio : most;
      });
      numbers.made.set(name, { schedule, ratios, at, constant: schedule.coefficient(measure) });
    }
    return numbers.made.get(name);
  }

  /** The error at the present K; of the optimum only by its curve, which is quicker. */
  function errorOf(name) {
    const curve = curves.get(curveKeyOf(name));
    if (curve) return curve[state.K - 1];
    return name === "optimal" ? null : dlm.expectedKl(made(name).schedule, numbers.h);
  }
  const inNats = (error) => (error === null ? "being computed" : short(error));

  const shown = () => state.show.filter((name) => name !== "optimal").concat("optimal");

  // The errors for every K: by a worker where the browser has one, else one schedule at a time.
  const curves = new Map();
  let worker, waiting = new Set();

  function curveKeyOf(name) {
    const made = name === "minimax" || name === "best deterministic" ? state.measure : "";
    return [name, made, numbers.curveKey].join("|");
  }

  function hire() {
    const told = (task) => [task.name, { length: task.length, measure: task.measure, profile: task.h }, task.h];
    const arrived = ({ key, curve }) => {
      if (!waiting.delete(key)) return;
      curves.set(key, curve);
      if (curves.size > 48) curves.delete(curves.keys().next().value);
      redraw();
    };
    const slowly = (task) => setTimeout(() => {
      if (waiting.has(task.key)) arrived({ key: task.key, curve: dlm.errorCurve(...told(task)) });
    }, 30);
    try {
      const source = `${dlm.source()}; const told = ${told};
        onmessage = ({ data }) => postMessage({ key: data.key, curve: dlm.errorCurve(...told(data)) });`;
      const made = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      const asked = [];
      made.onmessage = ({ data }) => arrived(data);
      made.onerror = (event) => {
        event.preventDefault();
        worker = { ask: slowly, dismiss() {} };
        asked.forEach(slowly);
      };
      return { ask: (task) => made.postMessage(asked[asked.push(task) - 1]), dismiss: () => made.terminate() };
    } catch {
      return { ask: slowly, dismiss() {} };
    }
  }

  function askForCurves() {
    const wanted = shown().map((name) => [curveKeyOf(name), name]);
    const keys = new Set(wanted.map(([key]) => key));
    if ([...waiting].some((key) => !keys.has(key))) {
      worker?.dismiss();
      worker = undefined;
      waiting = new Set();
    }
    // what takes longest comes last
    wanted.sort(([, a], [, b]) => SLOW.indexOf(a) - SLOW.indexOf(b));
    for (const [key, name] of wanted) {
      if (curves.has(key) || waiting.has(key)) continue;
      worker ??= hire();
      waiting.add(key);
      worker.ask({ key, name, length: state.L, measure: state.measure, h: numbers.h });
    }
  }

  // ---- The pictures ----------------------------------------------------------------------------

  function drawErrors() {
    const { L, K, error: target } = state;
    const known = shown().filter((name) => curves.has(curveKeyOf(name)));
    const lists = known.map((name) => curves.get(curveKeyOf(name)));
    if (!lists.length) lists.push(state.show.map(errorOf));
    let [low, high] = extent(lists, true);
    high = 1.25 * Math.max(high, target);
    low = Math.max(Math.min(low, target || low), high * 1e-6) / 1.25;
    const losses = shown().map((name) => `${label(name)} ${inNats(errorOf(name))}`).join(", ");
    const plot = chart("errors", {
      height: 330, x: { range: [1, L], log: true, name: "iterations K" },
      y: { range: [low, high], log: true, name: "expected KL in nats" },
      told: `Logarithmic axes. At K = ${K}, in nats: ${losses}.`,
    });
    if (target >= low) {
      const at = round(plot.Y(target));
      plot.picture.append(
        path("ex-guide", `M${plot.left} ${at}H${plot.right}`),
        words(plot.left + 6, at - 5, `target ${short(target)}`, "ex-name"),
      );
    }
    const here = round(plot.X(K));
    plot.picture.append(path("ex-guide ex-now", `M${here} ${plot.top}V${plot.bottom}`));
    known.forEach((name, order) => {
      const curve = curves.get(curveKeyOf(name));
      const group = draw(plot, name, L, (i) => i + 1, (i) => curve[i], order);
      const hollow = [];
      let next = 0;
      for (let i = 0; i < L; i++) {
        const at = plot.X(i + 1);
        if (curve[i] >= low || at < next) continue;
        hollow.push(mark(name, at, plot.bottom - 5 - 3 * (order % 4), 3.4));
        next = at + 10;
      }
      group.append(path("ex-hollow", hollow.join("")));
    });
    for (const name of shown()) {
      const error = errorOf(name);
      if (error >= low) ring(plot, name, K, error);
    }
    plot.picture.append(
      words(Math.min(Math.max(here, plot.left + 100), plot.right - 30), 11, `K = ${short(K)}`, "ex-name ex-strong", "middle"),
    );
    const missing = shown().filter((name) => !known.includes(name)).map(label);
    find("pending").textContent = missing.length ? `Being computed for every K: ${missing.join(", ")}.` : "";
    seen = plot;
  }

  let seen; // the axes by which a pointer chooses K

  function choose(event) {
    const box = seen.picture.getBoundingClientRect();
    const share = ((event.clientX - box.left) * (seen.right + 12)) / box.width - seen.left;
    setK(Math.exp((share / (seen.right - seen.left)) * Math.log(state.L)));
  }

  function drawProfile() {
    const { L } = state, { h, tc, dtc, entropy } = numbers;
    const plot = chart("profile", {
      x: { range: [0, L], name: "tokens known, j" }, y: { range: [0, h[0] > 1e-280 ? h[0] * 1.06 : 1], name: "nats" },
      told: `Falls from ${short(h[0])} to ${short(h[L - 1])} nats. TC ${short(tc)}, DTC ${short(dtc)}, entropy ${short(entropy)} nats.`,
    });
    const { X, Y } = plot, start = round(X(0));
    let stairs = `M${start} ${round(Y(h[0]))}`, last = round(Y(h[0]));
    for (let j = 1; j < L; j++) {
      const at = round(Y(h[j]));
      if (at === last) continue;
      stairs += `H${round(X(j))}V${at}`;
      last = at;
    }
    stairs += `H${round(X(L))}`;
    const area = (name, level) => paint(path("ex-area", `${stairs}V${round(Y(level))}H${start}Z`), name);
    plot.picture.append(area("TC-adaptive", h[0]), area("DTC-adaptive", h[L - 1]), path("ex-ink", stairs));
    find("areas").replaceChildren(
      chip("TC-adaptive", `Area above: TC ${short(tc)} nats. `), chip("DTC-adaptive", `Below, down to the last value: DTC ${short(dtc)} nats. `),
      `All below the line: entropy ${short(entropy)} nats.`,
    );
  }
  const chip = (name, words) => html("span", {}, paint(html("i", { class: "ex-chip" }), name), words);

  function drawRatios() {
    const { L } = state, lists = state.show.map((name) => made(name).ratios);
    let [low, high] = extent(lists, true);
    low = Math.max(low, high * 1e-4) / 1.2;
    const plot = chart("ratios", {
      x: { range: [1, Math.max(2, L - 1)], name: "tokens known, j" },
      y: { range: [low, high * 1.2], log: true, name: `E[W] / r for ${numbers.aggregate}` },
      told: `Constants: ${state.show.map((name) => `${label(name)} ${short(made(name).constant)}`).join(", ")}.`,
    });
    state.show.forEach((name, order) => {
      const { ratios, at, constant } = made(name);
      draw(plot, name, L - 1, (i) => i + 1, (i) => ratios[i] || -1, order);
      if (constant > 0) ring(plot, name, at + 1, constant);
    });
  }

  function drawDraw() {
    const rows = state.show.length, { L } = state;
    const plot = chart("draw", {
      height: 48 + 36 * rows, x: { range: [0, L], name: "tokens revealed" }, y: { range: [rows, 0] },
      told: state.show.map((name) => {
        const sizes = drawn(name);
        return `${label(name)}: ${Array.from(sizes.subarray(0, 12)).join(", ")}${sizes.length > 12 ? ", and so on" : ""}.`;
      }).join(" "),
    });
    state.show.forEach((name, row) => {
      const parts = ["", ""], top = round(plot.Y(row));
      let at = 0;
      drawn(name).forEach((size, k) => {
        parts[k % 2] += `M${round(plot.X(at))} ${top}H${round(plot.X((at += size)))}v14H${round(plot.X(at - size))}Z`;
      });
      plot.picture.append(
        words(plot.left, top - 4, label(name)),
        paint(svg("g", {}, path("ex-fill", parts[0]), path("ex-fill ex-pale", parts[1])), name),
      );
    });
    find("seed").textContent = `Number ${short(state.draw)}.`;
  }

  /** The sizes of the draw with the number of the link: its own stream for each schedule. */
  function drawn(name) {
    const { schedule } = made(name);
    let at = (Math.imul(state.draw, 0x9e3779b1) + Math.imul(dlm.names.indexOf(name), 0x85ebca6b)) >>> 0;
    const bits = () => {
      at = (at + 0x6d2b79f5) >>> 0;
      let x = Math.imul(at ^ (at >>> 15), at | 1);
      x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
      return (x ^ (x >>> 14)) >>> 0;
    };
    const uniforms = Float64Array.from({ length: schedule.uniformsNeeded }, () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53);
    return schedule.sizes(uniforms);
  }

  function drawSizes() {
    const { K } = state, lists = state.show.map((name) => made(name).schedule.meanSizes);
    const high = extent(lists)[1];
    const plot = chart("sizes", {
      x: { range: K > 1 ? [1, K] : [0, 2], name: "iteration k" }, y: { range: [Math.min(1, extent(lists)[0]), high * 1.15], log: true, name: "tokens" },
      told: state.show.map((name, i) => `${label(name)}: first ${short(lists[i][0])}, last ${short(lists[i][K - 1])}.`).join(" "),
    });
    state.show.forEach((name, order) => draw(plot, name, K, (i) => i + 1, (i) => lists[order][i], order));
  }

  function drawStarts() {
    const { L } = state, fixed = state.show.filter((name) => !made(name).schedule.random);
    const plot = chart("starts", {
      above: 9 * fixed.length, height: 240 + 9 * fixed.length,
      x: { range: [0, L - 1], name: "tokens known, t" }, y: { range: [0, 1.02], name: "probability" },
      told: state.show.map((name) => `${label(name)}: ${short(made(name).schedule.startProbabilities[L - 1])} at the last token.`).join(" "),
    });
    fixed.forEach((name, row) => {
      let strokes = "", last = -1;
      made(name).schedule.startProbabilities.forEach((u, t) => {
        const at = round(plot.X(t));
        if (u < 1 || at - last < 0.7) return;
        strokes += `M${(last = at)} ${16 + 9 * row}v7`;
      });
      plot.picture.append(paint(path("ex-strokes", strokes), name));
    });
    state.show.filter((name) => !fixed.includes(name)).forEach((name, order) => {
      const u = made(name).schedule.startProbabilities;
      draw(plot, name, L, (i) => i, (i) => u[i], order);
    });
  }

  function fillTable() {
    const { L, K, error: target } = state, table = find("table");
    find("caption").textContent = `K = ${short(K)} iterations for L = ${short(L)} tokens, ${numbers.aggregate} = ${short(numbers.nats)} nats, target ${short(target)} nats. Promises and errors in nats.`;
    table.tBodies[0].replaceChildren(...shown().map((name) => {
      const curve = curves.get(curveKeyOf(name));
      const steps = curve ? dlm.stepsFor(curve, target) : null;
      let needed = "being computed";
      if (steps) needed = steps.first === null ? "none" : short(steps.first);
      if (steps && steps.stays !== steps.first) needed += steps.stays === null ? ", not for good" : `, for good from ${short(steps.stays)}`;
      const { constant } = name === "optimal" ? {} : made(name);
      const promised = constant === undefined ? ["none", "none"] : [short(constant), short(constant * numbers.nats)];
      const cells = [...promised, inNats(errorOf(name))].map((words) => html("td", {}, words));
      return html("tr", {}, html("th", { scope: "row" }, swatch(name), label(name)), ...cells, html("td", {}, needed));
    }));
  }

  function summary() {
    const { L, K } = state, [best] = state.show.filter((name) => name !== "optimal").sort((a, b) => errorOf(a) - errorOf(b));
    const least = errorOf("optimal");
    const start = `With ${short(K)} iteration${K > 1 ? "s" : ""} for ${short(L)} tokens`;
    if (K === L) return `${start}, one at a time, every schedule is exact.`;
    if (numbers.tc <= 1e-12 * numbers.entropy) return `${start}: these tokens are independent, and no schedule loses anything.`;
    const possible = least === null ? "" : `; the least possible is ${short(least)}`;
    if (!best) return `${start}: no schedule is chosen${possible}.`;
    return `${start}, ${label(best)} loses least of the chosen schedules, ${short(errorOf(best))} nats${possible}.`;
  }

  // ---- From fields to pictures -----------------------------------------------------------------

  let pending = false, speaking;

  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(render);
  }

  function render() {
    pending = false;
    if (!state) return;
    compute();
    askForCurves();
    drawErrors();
    drawProfile();
    drawRatios();
    drawDraw();
    drawSizes();
    drawStarts();
    fillTable();
    clearTimeout(speaking);
    speaking = setTimeout(() => { find("summary").textContent = summary(); }, find("summary").textContent ? 400 : 0);
  }

  /** Reads all fields; says what is wrong beside them; draws when nothing is. */
  function apply() {
    const { state: found, problems } = read(text);
    for (const says of all(".ex-says")) says.textContent = "";
    for (const input of all("[aria-invalid]")) input.removeAttribute("aria-invalid");
    for (const { field, message } of problems) {
      find(`${field}-says`).textContent = message;
      find(field).setAttribute("aria-invalid", "true");
    }
    if (problems.length) return false;
    state = found;
    follow();
    redraw();
    return true;
  }

  function setText(changes) {
    Object.assign(text, changes);
    fill();
    if (apply()) note();
  }

  const setL = (L) => {
    L = Math.min(Math.max(Math.round(L), 2), LONGEST);
    setText({ L: String(L), K: String(Math.min(Number(text.K) || 1, L)) });
  };
  const setK = (K) => setText({ K: String(Math.min(Math.max(Math.round(K), 1), state.L)) });

  /** Puts the text of the state into the fields. */
  function fill() {
    for (const node of all("[data-for]")) node.hidden = !isFor(node, text.of);
    for (const field of fields) {
      if (field.value !== text[field.dataset.key]) field.value = text[field.dataset.key];
    }
    const chosen = text.show.split(",");
    for (const box of all("[data-show]")) box.checked = chosen.includes(box.dataset.show);
  }

  let dressed; // the choices whose looks the labels and the legend show

  /** Brings what follows from the state up to date: sliders, labels, swatches, the legend. */
  function follow() {
    const { L, K } = state;
    for (const id of ["L", "L-slider"]) find(id).disabled = Boolean(state.curve);
    if (state.curve) find("L").value = text.L = String(L);
    find("L-slider").value = Math.log(L / 2) / Math.log(LONGEST / 2);
    find("K-slider").value = Math.log(K) / Math.log(L);
    find("L-slider").setAttribute("aria-valuetext", `${L} tokens`);
    find("K-slider").setAttribute("aria-valuetext", `${K} of ${L} iterations`);
    const looking = [state.measure, ...state.show].join();
    if (looking === dressed) return;
    dressed = looking;
    for (const box of all("[data-show]")) {
      const name = SCHEDULES[box.dataset.show];
      box.nextElementSibling.replaceChildren(swatch(name), label(name));
    }
    find("legend").replaceChildren(...shown().map((name) => html("li", {}, swatch(name), label(name))));
  }

  // ---- The link --------------------------------------------------------------------------------

  let noted;

  /** The hash that restores the state. */
  function link() {
    const { of, L, K, measure, show, draw } = state;
    const given = { of };
    if (of === "own") given.curve = written(state.curve);
    if (!state.curve) Object.assign(given, { L, ...state.given });
    Object.assign(given, { K, measure, error: state.error, show: show.map(slug).join(",") });
    if (draw !== 1) given.draw = draw;
    return "#" + new URLSearchParams(given).toString().replaceAll("%2C", ",");
  }

  /** A curve in few words: every number with all its digits, and how often it comes in a row. */
  function written(h) {
    const words = [];
    for (let i = 0, next; i < h.length; i = next) {
      for (next = i + 1; next < h.length && h[next] === h[i]; ) next++;
      words.push(next - i > 1 ? `${h[i]}*${next - i}` : String(h[i]));
    }
    return words.join(",");
  }

  /** Puts the link into the address line, not too often for the browser. */
  function note() {
    clearTimeout(noted);
    noted = setTimeout(() => history.replaceState(null, "", link()), 300);
  }

  /** The state of the address line; a heading's anchor is none. */
  function restore() {
    const hash = location.hash.slice(1);
    const given = Object.fromEntries(hash.includes("=") ? new URLSearchParams(hash) : []);
    text = { ...START };
    for (const key of Object.keys(START)) text[key] = given[key] ?? START[key];
    fill();
    apply();
    if (Object.keys(given).some((key) => !Object.hasOwn(START, key))) {
      find("link-says").textContent = "The link has a part that this page does not know; it is left out.";
    }
  }

  /** All that is shown, a number in each row. */
  function csv() {
    const { L, K, error: target, measure } = state, rows = [["quantity", "schedule", "index", "value"]];
    const list = (quantity, name, values, first) => values.forEach((value, i) => rows.push([quantity, name, i + first, value]));
    rows.push(["length", "", "", L], ["steps", "", "", K], ["target", "", "", target]);
    rows.push(["total correlation", "", "", numbers.tc], ["dual total correlation", "", "", numbers.dtc]);
    list("conditional entropy", "", numbers.h, 0);
    for (const name of shown()) {
      const curve = curves.get(curveKeyOf(name));
      if (curve) {
        const { first, stays } = dlm.stepsFor(curve, target);
        list("expected KL", label(name), curve, 1);
        rows.push(["steps for the target", label(name), "", first ?? ""], ["steps from which it is met", label(name), "", stays ?? ""]);
      }
      if (!state.show.includes(name)) continue;
      const { schedule, constant } = made(name);
      rows.push([`constant ${measure}`, label(name), "", constant], [`promise ${measure}`, label(name), "", constant * numbers.nats]);
      list("mean size", label(name), schedule.meanSizes, 1);
      list("start probability", label(name), schedule.startProbabilities, 0);
      list("residual", label(name), schedule.residual, 1);
      list("size drawn", label(name), drawn(name), 1);
    }
    return rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
  }

  function download() {
    const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    html("a", { href: url, download: `schedules-L${state.L}-K${state.K}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  async function copy() {
    const address = location.href.split("#")[0] + link(), field = find("link");
    try {
      await navigator.clipboard.writeText(address);
      find("link-says").textContent = "The link is copied.";
    } catch {
      field.hidden = false;
      field.value = address;
      field.select();
      find("link-says").textContent = "The link is selected: copy it with the keyboard.";
    }
  }

  // ---- Life ------------------------------------------------------------------------------------

  function begin() {
    find("form").addEventListener("submit", (event) => event.preventDefault());
    find("form").addEventListener("input", ({ target }) => {
      const { key, show } = target.dataset;
      if (target.id === "ex-L-slider") return setL(2 * (LONGEST / 2) ** target.value);
      if (target.id === "ex-K-slider") return setK(state.L ** target.value);
      if (show) return setText({ show: named(all("[data-show]:checked")) });
      if (!key) return;
      const changes = { [key]: target.value };
      if (key === "of" || key === "curve") Object.assign(changes, shapeOf({ ...text, ...changes }));
      setText(changes);
    });
    for (const [id, set] of [["L", setL], ["K", setK]]) {
      find(`${id}-slider`).addEventListener("keydown", (event) => {
        const now = state[id];
        const next = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, PageUp: 2 * now, PageDown: now / 2, Home: 1, End: LONGEST }[event.key];
        if (next === undefined) return;
        event.preventDefault();
        set(next);
      });
    }
    find("new").addEventListener("click", () => setText({ draw: String((state.draw % 2 ** 31) + 1) }));
    find("copy").addEventListener("click", copy);
    find("csv").addEventListener("click", download);
    find("reset").addEventListener("click", () => {
      history.replaceState(null, "", location.pathname + location.search);
      restore();
    });
    // the figure stays while its picture is drawn anew
    const figure = find("errors");
    figure.addEventListener("pointerdown", (event) => {
      if (!event.target.closest("svg")) return;
      figure.setPointerCapture(event.pointerId);
      choose(event);
    });
    figure.addEventListener("pointermove", (event) => {
      if (figure.hasPointerCapture(event.pointerId)) choose(event);
    });
    addEventListener("hashchange", restore);
    root.hidden = false;
    measure();
    for (const table of document.querySelectorAll(".explorer-static")) table.hidden = true;
    restore();
    if (!state) { // a wrong link at the start: the first picture, beside what is wrong with the link
      const wrong = text;
      text = { ...START };
      fill();
      apply();
      text = wrong;
      fill();
      apply();
    }
    new ResizeObserver(() => { measure(); redraw(); }).observe(root);
  }

  /** The length and the iterations that fit a curve of fixed length. */
  function shapeOf(changed) {
    try {
      const { length } = changed.of === "own" ? readCurve(changed.curve) : gallery[changed.of];
      return { L: String(length), K: String(Math.min(Number(changed.K) || 1, length)) };
    } catch {
      return {};
    }
  }

  begin();
})();
