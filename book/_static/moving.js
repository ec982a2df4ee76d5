/* Figures that move: each stands under a recorded one, and is drawn when a reader asks for it.

   Numbers come from dlm.js. The state is what the controls show, and changes only with them: no
   timer moves anything. Below each picture its numbers stand in words. */
(function () {
  "use strict";

  // ---- pictures and controls -------------------------------------------------------------------

  const HEIGHT = 300, LEFT = 52, RIGHT = 22, TOP = 10, BOTTOM = 44;
  const LOST = "var(--mv-lost)";
  const OF_PROFILES = { xLabel: "known tokens j", yLabel: "h in nats" };
  let ids = 0;

  function make(name, attributes = {}, ...children) {
    const svg = /^(svg|g|path|line|rect|circle|text|title|desc)$/.test(name);
    const space = svg ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  const words = (x, digits = 4) => String(Number(x.toPrecision(digits)));
  const list = (sizes) => sizes.slice(0, 12).join(", ") + (sizes.length > 12 ? " and so on" : "");

  /** Uniform numbers, the same ones for the same draw: 53 bits of a counter that is mixed. */
  function uniforms(n, draw) {
    let state = Math.imul(draw, 0x9e3779b9);
    const next = () => {
      state = (state + 0x6d2b79f5) | 0;
      let x = Math.imul(state ^ (state >>> 15), state | 1);
      x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
      return (x ^ (x >>> 14)) >>> 0;
    };
    return Array.from({ length: n }, () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53);
  }

  /** A picture with axes, in the units of its numbers. `log` is "x", "y", "xy" or "". */
  function plot(scene, { x, y, xLabel, yLabel, log = "", yNames }) {
    const width = Math.max(scene.box.clientWidth, 280), key = `mv-${++ids}`;
    const scale = (axis, [low, high], from, to) => {
      const of = log.includes(axis) ? Math.log : (value) => value;
      return (value) => from + ((of(value) - of(low)) / (of(high) - of(low) || 1)) * (to - from);
    };
    const X = scale("x", x, LEFT, width - RIGHT), Y = scale("y", y, HEIGHT - BOTTOM, TOP);
    const svg = make("svg",
      { role: "img", "aria-labelledby": `${key}-t ${key}-d`, width, height: HEIGHT },
      make("title", { id: `${key}-t` }, scene.title),
      make("desc", { id: `${key}-d` }, scene.description));
    const ticks = (axis, [low, high], most) => {
      if (log.includes(axis)) {
        const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
        return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
      }
      const raw = (high - low) / most, base = 10 ** Math.floor(Math.log10(raw));
      const step = base * [1, 2, 5, 10].find((m) => m * base >= raw);
      const first = Math.ceil(low / step), last = Math.floor(high / step + 1e-6);
      return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
    };
    const text = (at, down, anchor, what) =>
      svg.append(make("text", { x: at, y: down, "text-anchor": anchor }, what));
    const grid = (d) => svg.append(make("path", { d, class: "mv-grid" }));
    for (const v of ticks("x", x, width / 70)) {
      text(X(v), HEIGHT - BOTTOM + 16, "middle", words(v));
      grid(`M${X(v)} ${TOP}V${HEIGHT - BOTTOM}`);
    }
    for (const v of yNames ? [] : ticks("y", y, 5)) {
      text(LEFT - 6, Y(v) + 4, "end", words(v));
      grid(`M${LEFT} ${Y(v)}H${width - RIGHT}`);
    }
    text((LEFT + width - RIGHT) / 2, HEIGHT - 8, "middle", xLabel);
    if (yLabel) svg.append(make("text", { class: "mv-up", "text-anchor": "middle",
      transform: `translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)` }, yLabel));
    return {
      svg, X, Y,
      /** A line through points, broken where one has no place in the picture. */
      line(points, color, extra = {}) {
        let d = "", pen = "M";
        for (const [a, b] of points) {
          const seen = Number.isFinite(b);
          if (seen) d += `${pen}${X(a).toFixed(1)} ${Y(b).toFixed(1)}${pen === "M" ? "h0" : ""}`;
          pen = seen ? "L" : "M";
        }
        svg.append(make("path", { d, class: "mv-line", style: paint(color), ...extra }));
      },
      dot(a, b, color, title) {
        const place = { cx: X(a), cy: Y(b), r: 5, class: "mv-dot", style: paint(color) };
        svg.append(make("circle", place, make("title", {}, title)));
      },
      /** The area between two lines of steps. */
      area(upper, lower, color) {
        const edge = [...steps(upper), ...steps(lower).reverse()];
        const d = `M${edge.map(([a, b]) => `${X(a)} ${Y(b)}`).join("L")}Z`;
        svg.append(make("path", { d, class: "mv-area", style: paint(color) }));
      },
      add: (name, attributes) => svg.appendChild(make(name, attributes)),
      text,
    };
  }

  const paint = (color) => (color ? `--mv: ${color}` : "");
  const steps = (values, at = (i) => i) =>
    values.flatMap((v, i) => [[at(i), v], [at(i + 1), v]]);

  /** The controls of one figure: each has a name, and calls for a new picture. */
  function controls(scene) {
    const bar = make("div", { class: "mv-controls" });
    const value = {};
    return {
      bar, value,
      range(name, label, least, most, start, step = 1) {
        value[name] = start;
        const shown = make("output", {}, String(start));
        const input = make("input", { type: "range", min: least, max: most, step, value: start,
          oninput() {
            value[name] = Number(input.value);
            shown.textContent = input.value;
            scene.draw();
          } });
        bar.append(make("label", {}, `${label} `, input, shown));
        return (to) => { input.value = value[name] = to; shown.textContent = String(to); };
      },
      choice(name, label, options) {
        value[name] = options[0];
        const input = make("select", { onchange() { value[name] = input.value; scene.draw(); } },
          ...options.map((option) => make("option", {}, option)));
        bar.append(make("label", {}, `${label} `, input));
      },
      tick(name, label) {
        value[name] = false;
        const input = make("input", { type: "checkbox",
          onchange() { value[name] = input.checked; scene.draw(); } });
        bar.append(make("label", {}, input, ` ${label}`));
      },
      button(label, act) {
        bar.append(make("button", { type: "button", onclick() { act(); scene.draw(); } }, label));
      },
    };
  }

  function legend(scene, entries) {
    scene.legend.replaceChildren(...entries.map(([label, color]) =>
      make("span", { class: "mv-key", style: paint(color) }, label)));
  }

  // ---- the figures: what each is given, what it draws, what it says ----------------------------

  const FIGURES = {
    /** Fixed sizes under a profile: the area between stairs and curve is the error. */
    stairs({ curve, sizes: first }, scene, ui) {
      scene.title = "Stairs above a profile";
      scene.description = "The ends of the blocks can be dragged, or moved by the arrow keys.";
      const L = curve.length, h = dlm.checkProfile(curve);
      let ends = [];
      const start = (k) => ends[k - 1] || 0;
      const setEnds = (sizes) => {
        ends = [];
        for (const size of sizes) ends.push(start(ends.length) + size);
      };
      const made = (name) => dlm.schedule(name, { length: L, steps: ui.value.K, profile: h });
      setEnds(first);
      ui.range("K", "Iterations K", 1, L, first.length);
      ui.button("Equal sizes", () => setEnds(made("equal").sizes()));
      ui.button("Best sizes", () => setEnds(made("optimal").sizes()));
      return () => {
        const K = ui.value.K;
        if (ends.length !== K) setEnds(made("equal").sizes());
        const p = plot(scene, { x: [0, L], y: [0, 1.1 * h[0]], ...OF_PROFILES });
        const stairs = ends.flatMap((end, k) => Array(end - start(k)).fill(h[start(k)]));
        p.area(stairs, curve, LOST);
        p.line(steps(stairs), LOST);
        p.line(steps(curve));
        const error = stairs.reduce((sum, top, j) => sum + top - h[j], 0);
        ends.slice(0, -1).forEach((end, k) => {
          const least = start(k) + 1, most = ends[k + 1] - 1;
          const move = (to) => {
            const next = Math.min(Math.max(Math.round(to), least), most);
            if (next === ends[k]) return;
            ends[k] = next;
            scene.draw();
            scene.box.querySelectorAll("[role=slider]")[k].focus();
          };
          const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
          const handle = make("g", { role: "slider", tabindex: 0, class: "mv-handle",
            "aria-label": `End of block ${k + 1}`, "aria-valuemin": least, "aria-valuemax": most,
            "aria-valuenow": end,
            onkeydown(event) {
              if (!(event.key in by)) return;
              event.preventDefault();
              move(ends[k] + by[event.key]);
            },
            onpointerdown(event) {
              event.preventDefault();
              handle.focus();
              const follow = ({ clientX }) => {
                const { left } = scene.box.querySelector("svg").getBoundingClientRect();
                move(((clientX - left - p.X(0)) / (p.X(L) - p.X(0))) * L);
              };
              const leave = () => removeEventListener("pointermove", follow);
              addEventListener("pointermove", follow);
              addEventListener("pointerup", leave, { once: true });
            } },
            make("rect", { x: p.X(end) - 9, y: TOP, width: 18, height: HEIGHT - BOTTOM - TOP }),
            make("line", { x1: p.X(end), x2: p.X(end), y1: TOP + 15, y2: HEIGHT - BOTTOM }),
            make("circle", { cx: p.X(end), cy: TOP + 8, r: 7 }));
          p.svg.append(handle);
        });
        p.svg.setAttribute("role", "group");
        const sizes = ends.map((end, k) => end - start(k));
        legend(scene, [["profile h", ""], ["stairs; the area is the error", LOST]]);
        return [p.svg, `Sizes ${list(sizes)}: expected KL ${words(error)} nats; ` +
          `the best ${K} sizes lose ${words(dlm.expectedKl(made("optimal"), h))}.`];
      };
    },

    /** Mean sizes and one draw of the adaptive schedules, which are each other backwards. */
    "mean-sizes"({ length: L, steps: K, colors }, scene, ui) {
      scene.title = "Mean size and one draw of each iteration";
      scene.description = "A falling curve of mean sizes, and the sizes of one draw as dots around it.";
      let draw = 1;
      ui.range("K", "Iterations K", 2, L, K);
      ui.tick("back", "Reverse time: DTC-adaptive");
      ui.button("New draw", () => draw++);
      return () => {
        const name = ui.value.back ? "DTC-adaptive" : "TC-adaptive", color = colors[name];
        const made = dlm.schedule(name, { length: L, steps: ui.value.K });
        const sizes = Array.from(made.sizes(uniforms(made.uniformsNeeded, draw)));
        const means = Array.from(made.meanSizes), most = Math.max(...sizes, ...means);
        const p = plot(scene, { x: [1, ui.value.K], y: [0.8, 1.2 * most], log: "y",
          xLabel: "iteration", yLabel: "tokens" });
        const dots = sizes.map((s, k) => `M${p.X(k + 1).toFixed(1)} ${p.Y(s).toFixed(1)}h0`);
        p.add("path", { d: dots.join(""), class: "mv-dots" });
        p.line(means.map((m, k) => [k + 1, m]), color);
        legend(scene, [[`${name}, mean`, color], [`draw ${draw}`, ""]]);
        const measure = ui.value.back ? "dtc" : "tc";
        return [p.svg, `${name}, ${ui.value.K} iterations for ${L} tokens: the mean size goes from ` +
          `${words(means[0])} to ${words(means[means.length - 1])}; draw ${draw} has the sizes ` +
          `${list(sizes)}. The constant is ${words(made.coefficient(measure))} per nat of ${measure.toUpperCase()}.`];
      };
    },

    /** What the schedules lose on one distribution of the gallery. */
    gallery({ members, length: L, steps: K, names, colors }, scene, ui) {
      scene.title = "Expected KL of the schedules on one distribution";
      scene.description = "A dot for each schedule on a logarithmic axis.";
      ui.choice("of", "Distribution", Object.keys(members));
      ui.range("K", "Iterations K", 1, L - 1, K);
      return () => {
        const h = dlm.checkProfile(members[ui.value.of]), floor = 1e-3;
        const found = names.map(([label, name, measure]) => [label, dlm.expectedKl(
          dlm.schedule(name, { length: L, steps: ui.value.K, measure, profile: h }), h)]);
        const most = Math.max(...found.map(([, nats]) => nats), 10 * floor);
        const p = plot(scene, { x: [floor, 1.5 * most], y: [found.length, -1], log: "x",
          xLabel: "expected KL in nats", yNames: true });
        found.forEach(([label, nats], i) => {
          const right = p.X(Math.max(nats, floor)) > scene.box.clientWidth / 2;
          p.dot(Math.max(nats, floor), i, colors[label], `${label}: ${words(nats)} nats`);
          p.text(p.X(Math.max(nats, floor)) + (right ? -9 : 9), p.Y(i) + 4, right ? "end" : "start",
            nats < floor ? `${label}, below ${floor}` : label);
        });
        const [best, ...others] = [...found].sort((a, b) => a[1] - b[1]);
        return [p.svg, `${ui.value.of}, ${ui.value.K} iterations for ${L} tokens: ` +
          [best, ...others].map(([label, nats]) => `${label} ${words(nats, 3)}`).join(", ") + " nats."];
      };
    },

    /** The residual of fixed sizes is one draw's; the mean over draws is what a random one pays. */
    residuals({ length: L, steps: K, colors }, scene, ui) {
      scene.title = "Residuals per unit of TC, and their mean over draws";
      scene.description = "The saw-teeth of equal sizes and of the draws so far, whose mean settles on a flat line.";
      const made = dlm.schedule("TC-adaptive", { length: L, steps: K });
      const equal = dlm.schedule("equal", { length: L, steps: K }), weights = dlm.residualWeights("tc", L);
      const sums = new Float64Array(L - 1);
      let n = 0;
      const add = (more) => {
        for (let i = 0; i < more; i++) {
          let start = 0;
          for (const size of made.sizes(uniforms(made.uniformsNeeded, ++n))) {
            for (let j = start + 1; j < start + size; j++) sums[j - 1] += start + size - j;
            start += size;
          }
        }
      };
      add(1);
      ui.button("Add a draw", () => add(1));
      ui.button("Add 100 draws", () => add(100));
      ui.button("Start again", () => { n = 0; sums.fill(0); add(1); });
      return () => {
        const ratio = (W) => Array.from(weights, (r, i) => [i + 1, W(i) / r]);
        const mean = ratio((i) => sums[i] / n), c = made.coefficient("tc");
        const p = plot(scene, { x: [1, L - 1], y: [0, 1.05], xLabel: "j", yLabel: "W / (L − j)" });
        p.line(ratio((i) => equal.residual[i]), colors.equal);
        p.line([[1, c], [L - 1, c]], colors["TC-adaptive"], { "stroke-dasharray": "6 4" });
        p.line(mean, colors["TC-adaptive"]);
        legend(scene, [["equal sizes", colors.equal],
          [`TC-adaptive, mean of ${n} draw${n > 1 ? "s" : ""} (dashed: expected)`, colors["TC-adaptive"]]]);
        return [p.svg, `${n} draw${n > 1 ? "s" : ""}: the largest ratio is ` +
          `${words(Math.max(...mean.map(([, v]) => v)))}, expected is ${words(c)} at every j; equal sizes reach ` +
          `${words(equal.coefficient("tc"))} at every draw.`];
      };
    },

    /** One phase places every block: where the running sum crosses the phase plus an integer. */
    phase({ length: L, steps: K, names, colors }, scene, ui) {
      scene.title = "Where blocks start, by one phase";
      scene.description = "A rising running sum; blocks start where it passes the horizontal lines.";
      ui.choice("of", "Schedule", names.map(([label]) => label));
      ui.range("phase", "Phase U", 0, 0.99, 0.35, 0.01);
      return () => {
        const [label, name, measure] = names.find(([label]) => label === ui.value.of);
        const made = dlm.schedule(name, { length: L, steps: K, measure }), U = ui.value.phase;
        const p = plot(scene, { x: [0, L], y: [0, K], xLabel: "t", yLabel: "u₀ + … + u at t" });
        let sum = 0, start = 0;
        for (let k = 0; k < K; k++) p.line([[0, k + U], [L, k + U]], "", { class: "mv-line mv-level" });
        const sizes = Array.from(made.sizes([U]));
        for (const size of sizes) {
          const width = p.X(start + size) - p.X(start);
          p.add("rect", { x: p.X(start), y: p.Y(0) - 8, height: 8, class: "mv-block", width });
          start += size;
        }
        p.line(steps(Array.from(made.startProbabilities, (u) => (sum += u))), colors[label]);
        legend(scene, [[`running sum, ${label}`, colors[label]], ["U plus an integer; below, the blocks", ""]]);
        return [p.svg, `Phase ${words(U)}: sizes ${list(sizes)}; their means are ` +
          `${list(Array.from(made.meanSizes, (m) => words(m, 3)))}.`];
      };
    },

    /** What a few exact levels say of a profile, and what is certified with them. */
    band({ curve, steps: K, frames, colors }, scene, ui) {
      scene.title = "The band that exact levels leave";
      scene.description = "Two staircases that meet at the levels, with the true profile between them.";
      const L = curve.length, set = ui.range("n", "Levels", 2, frames.length + 1, 2);
      ui.button("Add a level", () => set(Math.min(ui.value.n + 1, frames.length + 1)));
      return () => {
        const { levels, certified, least, actual } = frames[ui.value.n - 2];
        const p = plot(scene, { x: [0, L], y: [0, 1.1 * curve[0]], ...OF_PROFILES });
        const upper = curve.map((_, j) => curve[levels.findLast((t) => t <= j)]);
        const lower = curve.map((_, j) => curve[levels.find((t) => t >= j)]);
        p.area(upper, lower, colors.robust);
        p.line(steps(curve));
        for (const t of levels) p.dot(t + 0.5, curve[t], "", `level ${t}`);
        legend(scene, [["true profile and levels", ""], ["band", colors.robust]]);
        return [p.svg, `Levels at ${levels.join(", ")}: with ${K} iterations the robust schedule ` +
          `certifies ${words(certified)} nats, no schedule less than ${words(least)}; on the true ` +
          `profile it loses ${words(actual)}.`];
      };
    },

    /** Errors on a code against the iterations, as its codimension moves. */
    codes({ length: L, alphabetSize, codimension, names, colors }, scene, ui) {
      scene.title = "Expected KL on a code against the iterations";
      scene.description = "A curve for each schedule on two logarithmic axes; the codimension moves them.";
      const grid = [...new Set(Array.from({ length: 60 }, (_, i) => Math.round((L - 1) ** (i / 59))))];
      const fixed = names.filter((name) => !/adaptive/.test(name)).map((name) =>
        [name, grid.map((K) => dlm.schedule(name, { length: L, steps: K }).residual)]);
      const residuals = Object.fromEntries(fixed), symbol = Math.log(alphabetSize), floor = 1e-2;
      ui.range("r", "Codimension", 1, L - 1, codimension);
      return () => {
        const d = L - ui.value.r, h = dlm.profile("MDS code", { dimension: d, alphabetSize }, L);
        const tc = dlm.totalCorrelation(h);
        const p = plot(scene, { x: [1, L], y: [floor, 2 * tc], log: "xy",
          xLabel: "iterations K", yLabel: "expected KL in nats" });
        const at = {};
        for (const name of names) {
          const every = residuals[name] ? null : dlm.errorCurve(name, {}, h);
          const curve = grid.map((K, i) => (every ? every[K - 1] : symbol * residuals[name][i][d - 1]));
          p.line(grid.map((K, i) => [K, curve[i] < floor ? NaN : curve[i]]), colors[name]);
          at[name] = curve[grid.findIndex((K) => K >= L / 4)];
        }
        legend(scene, names.map((name) => [name, colors[name]]));
        return [p.svg, `Codimension ${ui.value.r}: TC ${words(tc)} nats. With ` +
          `${grid.find((K) => K >= L / 4)} iterations: ` +
          Object.entries(at).map(([name, nats]) => `${name} ${words(nats, 3)}`).join(", ") +
          ` nats. Lines break where they fall below ${floor} nats, most often to zero.`];
      };
    },
  };

  // ---- in the page -----------------------------------------------------------------------------

  function open(place, data) {
    const scene = { box: make("div", { class: "mv-picture" }), legend: make("p", { class: "mv-legend" }) };
    const says = make("p", { class: "mv-says", "aria-live": "polite" }), ui = controls(scene);
    const draw = FIGURES[place.dataset.figure](data, scene, ui);
    scene.draw = () => {
      const [svg, sentence] = draw();
      scene.box.replaceChildren(svg);
      says.textContent = sentence;
    };
    const stage = make("div", { class: "mv-stage", role: "group", "aria-label": scene.title },
      ui.bar, scene.box, scene.legend, says);
    place.append(stage);
    scene.draw();
    let width = scene.box.clientWidth;
    new ResizeObserver(() => {
      if (scene.box.clientWidth === width || !scene.box.clientWidth) return;
      width = scene.box.clientWidth;
      scene.draw();
    }).observe(scene.box);
    return stage;
  }

  for (const place of document.querySelectorAll(".moving[data-figure]")) {
    let stage = null;
    const data = JSON.parse(place.querySelector("script").textContent);
    const button = make("button", { type: "button", class: "mv-ask", "aria-expanded": "false", onclick() {
      if (stage) stage.hidden = !stage.hidden;
      else stage = open(place, data);
      button.setAttribute("aria-expanded", String(!stage.hidden));
      button.textContent = stage.hidden ? "Move it" : "Put it away";
    } }, "Move it");
    place.prepend(button);
    place.hidden = false;
  }
})();
