/* The schedules of dlm_core and their exact errors, in the page and without a server: a port, which
   tests/book/test_port.py holds to the package in every number, and in every draw by the same
   uniform numbers. It defines `dlm`; a worker is made from the text dlm.source(). */
var dlm = (function make() {
  "use strict";
  const LONGEST = 4096; // positions, for which all tables fit into the memory of a phone
  const MOST_NATS = 1e100, ROUNDING = 1e-11; // how far a curve may rise, as a share of its sum
  const ONE = 2 ** 53; // the running sums of one phase are integers in units of 2^-53

  // ---- arguments
  function refuse(name, rule, value) {
    const text = typeof value === "string" ? JSON.stringify(value) : String(value);
    const got = value && typeof value === "object" ? "an array or object" : text.slice(0, 60);
    throw new RangeError(`${name} must ${rule}, got ${got}`);
  }
  const number = (name, value, least, most) =>
    typeof value === "number" && value >= least && value <= most
      ? value : refuse(name, `be a number from ${least} to ${most}`, value);
  const integer = (name, value, least, most) =>
    Number.isInteger(value) && value >= least && value <= most
      ? value : refuse(name, `be an integer from ${least} to ${most}`, value);
  const choice = (name, value, allowed) =>
    allowed.includes(value) ? value : refuse(name, `be one of ${allowed.join(", ")}`, value);

  /** The curve h as a fresh Float64Array, rises within rounding flattened. */
  function checkProfile(profile) {
    const isArray = Array.isArray(profile) || profile instanceof Float64Array;
    if (!isArray) refuse("profile", "be an array of numbers", profile);
    integer("the length of profile", profile.length, 1, LONGEST);
    const h = new Float64Array(profile.length);
    for (let j = 0; j < h.length; j++) {
      h[j] = number(`profile at j=${j}`, profile[j], -MOST_NATS, MOST_NATS);
    }
    const rounding = ROUNDING * Math.max(1, h.reduce((sum, x) => sum + Math.abs(x), 0));
    return h.map((x, j) => {
      if (x < -rounding) refuse(`profile at j=${j}`, "be nonnegative", x);
      const before = j ? profile[j - 1] : Infinity;
      if (x - before > rounding) refuse(`profile at j=${j}`, `be at most the ${before} before`, x);
      return (h[j] = Math.min(Math.max(x, 0), j ? h[j - 1] : Infinity));
    });
  }

  // ---- arithmetic
  /** An array of n numbers, by their place. */
  const filled = (n, value) => new Float64Array(n).map((_, i) => value(i));
  const zeros = (n, length) => Array.from({ length: n }, () => new Float64Array(length));
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  /** The nearest integer, of two the even one, as numpy.rint. */
  function rint(x) {
    const down = Math.floor(x), rest = x - down;
    return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
  }

  /** The sum of numbers and a first one that nearly cancels it, with what rounding loses. */
  function sumOf(first, values) {
    let sum = first, lost = 0;
    for (const x of values) {
      const next = sum + x;
      lost += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
      sum = next;
    }
    return sum + lost;
  }

  /** A function that keeps its last value. */
  function remember(make) {
    let known, value;
    return (...given) => {
      if (String(given) !== known) value = make(...given);
      known = String(given);
      return value;
    };
  }

  // ---- measures: schedules/base.py
  const MEASURES = {
    tc: (j, length) => length - j,
    dtc: (j) => j,
    sum: (j, length) => length,
    min: (j, length) => Math.min(j, length - j),
    product: (j, length) => (j * (length - j)) / length,
  };
  /** The weights r_j of a guarantee E KL <= c sum r_j Delta_j, entry j - 1. */
  function residualWeights(measure, length) {
    const weight = MEASURES[choice("measure", measure, Object.keys(MEASURES))];
    return filled(integer("length", length, 1, LONGEST) - 1, (i) => weight(i + 1, length));
  }
  const largestRatio = (residual, weights) =>
    weights.reduce((most, weight, i) => Math.max(most, residual[i] / weight), 0);

  // ---- fixed sizes: schedules/fixed.py
  /** Positions left in the block of each j >= 1, entry j - 1; 0 where a block starts. */
  function residualOf(sizes, length) {
    const residual = new Float64Array(length - 1);
    let start = 0;
    for (const size of sizes) {
      for (let j = start + 1; j < start + size; j++) residual[j - 1] = start + size - j;
      start += size;
    }
    return residual;
  }

  /** The sizes between given ends of blocks; that of the last is the length. */
  const gaps = (length, ends) => [...ends, length].map((end, i) => end - (i ? ends[i - 1] : 0));
  function fixed(length, ends) {
    const sizes = gaps(length, ends), residual = residualOf(sizes, length);
    return {
      uniformsNeeded: 0,
      draw: () => Int32Array.from(sizes),
      meanSizes: () => Float64Array.from(sizes),
      residual: () => residual,
      startProbabilities: () => filled(length, (t) => (t && residual[t - 1] ? 0 : 1)),
    };
  }
  const between = (steps, end) => Array.from({ length: steps - 1 }, (_, i) => end(i + 1));
  /** Sizes that leave about masked(k) positions after step k, every one of them positive. */
  const leaving = (masked) => (length, steps) => {
    let left = length;
    return fixed(length, between(steps, (k) => {
      left = Math.min(Math.max(rint(masked(k, length, steps)), steps - k), left - 1);
      return length - left;
    }));
  };

  // ---- one random phase: schedules/systematic.py
  /** A block starts wherever the running sum of u crosses the phase plus an integer. */
  function onePhase(length, steps, u) {
    // the block of each position, and the phase from which on it lies in the block before
    const block = new Int32Array(length), until = new Float64Array(length).fill(1);
    const units = unitsOf(u, steps);
    for (let t = 1, below = ONE - 1; t < length; t++) {
      const crosses = below >= ONE - units[t]; // the sum itself would need more than 53 bits
      below = crosses ? below - (ONE - units[t]) : below + units[t];
      block[t] = block[t - 1] + Number(crosses);
      until[t] = (below + 1) / ONE;
    }
    return {
      uniformsNeeded: 1,
      startProbabilities: () => u,
      draw([phase]) {
        const sizes = new Int32Array(steps);
        for (let t = 0; t < length; t++) sizes[block[t] - Number(until[t] <= phase)]++;
        return sizes;
      },
      meanSizes() {
        const mean = new Float64Array(steps);
        for (let t = 0; t < length; t++) {
          mean[block[t]] += until[t];
          if (until[t] < 1) mean[block[t] - 1] += 1 - until[t];
        }
        return mean;
      },
      residual: () => filled(length - 1, (i) => {
        // Where no block starts at j, the phase is uniform on a stretch of length 1 - u_j, of
        // which each later position takes its u until none is left.
        let next = i + 2, rest = 1 - u[i + 1], sum = 0;
        for (; next < length && u[next] <= rest; next++) {
          sum += (next - i - 1) * u[next];
          rest -= u[next];
        }
        return sum + (next - i - 1) * rest;
      }),
    };
  }

  /** u in integer units of 2^-53 that add up to `steps` exactly. */
  function unitsOf(u, steps) {
    const units = u.map((x) => rint(x * ONE));
    const high = units.reduce((sum, x) => sum - Math.floor(x / 2 ** 32), steps * 2 ** 21);
    const missing = high * 2 ** 32 - units.reduce((sum, x) => sum + (x % 2 ** 32), 0);
    if (!missing) return units;
    let sum = 0;
    const room = units.map((x) => (sum += Math.min(x, ONE - x)));
    const given = room.map((x) => rint(x * (missing / sum)));
    return units.map((x, t) => x + given[t] - (t ? given[t - 1] : 0));
  }
  const shiftedEqual = (length, steps) =>
    onePhase(length, steps, filled(length, (t) => (t ? (steps - 1) / (length - 1) : 1)));

  // ---- adaptive: schedules/adaptive.py
  /** The random set of K - 1 of the numbers 1, ..., L - 1 that both adaptive schedules share. Entry
      (t, k) of the table weighs against choosing t, as 1/t weighs for it, with k of 1, ..., t still
      to be chosen; only those k are kept that a draw can meet. */
  const randomSet = remember((length, steps) => {
    const width = Math.min(steps, length - steps + 1), table = new Float64Array(length * width);
    const lowest = (t) => Math.max(0, steps - length + t);
    const highest = (t) => Math.min(steps - 1, t);
    for (let t = 1, harmonic = 0; t < length; harmonic += 1 / t++) {
      const low = lowest(t), row = t * width - low, less = (t - 1) * width - lowest(t - 1);
      if (low === 0) table[row] = Infinity;
      if (low <= 1 && steps > 1) table[row + 1] = harmonic;
      for (let k = Math.max(2, low); k <= highest(t); k++) {
        const weight = 1 / (t - 1), fewer = table[less + k - 1];
        table[row + k] = (fewer / (fewer + weight)) * ((k < t ? table[less + k] : 0) + weight);
      }
    }
    /** The chosen numbers, ascending, by one uniform number for each t = L - 1, ..., 1. */
    function choose(uniforms) {
      const numbers = [];
      for (let t = length - 1; numbers.length < steps - 1; t--) {
        const k = steps - 1 - numbers.length, against = table[t * width - lowest(t) + k];
        if (uniforms[length - 1 - t] < 1 / t / (against + 1 / t)) numbers.unshift(t);
      }
      return numbers;
    }
    /** The chance that t is chosen, the mean of each chosen number, and the mean distance from t
        up to the next chosen number, 0 if that is t, by the law of k along the scan. */
    function means() {
      const [chosen, ahead] = zeros(2, length), [numbers, arrive, above] = zeros(3, steps);
      arrive[steps - 1] = 1;
      for (let t = length - 1; t > 0; t--) {
        const weight = 1 / t, row = t * width - lowest(t);
        if (lowest(t) === 0) ahead[t] = above[0] += arrive[0];
        for (let k = Math.max(1, lowest(t)); k <= highest(t); k++) {
          const both = table[row + k] + weight, skip = table[row + k] / both;
          const taken = arrive[k] * (weight / both);
          ahead[t] += above[k] = skip * (arrive[k] + above[k]);
          arrive[k] *= skip;
          arrive[k - 1] += taken;
          numbers[k] += t * taken;
          chosen[t] += taken;
        }
      }
      return { chosen, ahead, numbers: numbers.subarray(1) };
    }
    return { choose, means: remember(means) };
  });

  /** DTC-adaptive, or the same backwards: TC-adaptive, of which E[W_j] = c (L - j) for every j. */
  const adaptive = (backwards) => (length, steps) => {
    const set = randomSet(length, steps), turned = (x) => (backwards ? x.reverse() : x);
    const start = (t) => set.means().chosen[backwards ? length - t : t];
    return {
      uniformsNeeded: length - 1,
      draw: (uniforms) => turned(Int32Array.from(gaps(length, set.choose(uniforms)))),
      meanSizes: () => turned(Float64Array.from(gaps(length, set.means().numbers))),
      startProbabilities: () => filled(length, (t) => (t ? start(t) : 1)),
      residual: () => (backwards
        ? residualWeights("tc", length).map((weight) => tcConstants(length)[steps - 1] * weight)
        : set.means().ahead.slice(1)),
    };
  };

  /** The constants c of TC-adaptive for K = 1, ..., L. */
  const tcConstants = remember((length) => {
    const a = filled(length, (i) => ((i + 1) * (i + 2)) / 2 - 1);
    for (let left = 3; left < length; left++) {
      for (let k = left - 2; k > 0; k--) a[k] = (a[k] * (left + a[k - 1])) / (left + a[k]);
    }
    return a.map((x, i) => (i + 1 === length ? 0 : 1 / (1 + x)));
  });

  /** The errors of DTC-adaptive for K = 1, ..., L, by one scan upwards over the states (t, k). */
  function dtcErrors(increments) {
    const length = increments.length + 1, [against, run, error] = zeros(3, length);
    for (let t = 1; t < length; t++) {
      const weight = 1 / t, increment = increments[t - 1];
      let skipFewer = 1, errorFewer = error[0];
      error[0] += run[0] += increment;
      for (let k = 1; k <= t; k++) {
        const both = against[k] + weight, skip = against[k] / both, before = error[k];
        run[k] = (run[k] + increment) * skip;
        error[k] = before * skip + (weight / both) * errorFewer + run[k];
        against[k] = skipFewer * both;
        skipFewer = skip;
        errorFewer = before;
      }
    }
    return error;
  }

  // ---- best for a measure: schedules/optimal.py and schedules/minimax.py
  /** The sizes with the least max W_j / r_j, by bisection over the ratios that are attained. */
  function bestDeterministic(length, steps, measure) {
    const weights = residualWeights(measure, length);
    const ratio = (ends) => largestRatio(residualOf(gaps(length, ends), length), weights);
    let best = reaching(Infinity, steps, weights).ends, feasible = ratio(best);
    let infeasible = 0, least = 0; // nothing below `least` is feasible
    for (;;) {
      const trial = (infeasible + feasible) / 2;
      if (!(infeasible < trial && trial < feasible)) return fixed(length, best);
      const { ends, next } = trial < least ? { next: least } : reaching(trial, steps, weights);
      if (ends) feasible = ratio((best = ends));
      else [infeasible, least] = [trial, next];
    }
  }

  /** Ends of blocks with every W_j <= c r_j, null where they are too many, and the next such c. */
  function reaching(c, steps, weights) {
    const length = weights.length + 1, reach = new Int32Array(length).fill(length);
    let end = 0, next = Infinity;
    for (let j = length - 1; j > 0; j--) {
      const weight = weights[j - 1];
      let room = Math.floor(Math.min(c * weight, length - j)); // off by one at most
      if ((room + 1) / weight <= c) room++;
      if (room / weight > c) room--;
      if (room < length - j) next = Math.min(next, (room + 1) / weight);
      reach[j - 1] = Math.min(j + room, reach[j]);
    }
    const ends = between(steps, (k) => (end = Math.min(reach[end], length - steps + k)));
    return { ends: reach[end] === length ? ends : null, next };
  }

  /** The start probabilities with the least max E[W_j] / r_j, by Newton's method for that. */
  function minimax(length, steps, measure) {
    if (steps === 1 || steps === length) return shiftedEqual(length, steps);
    const slopes = residualWeights(measure, length).reverse();
    // below the root, as if no block were longer than two, and so are all that follow
    let c = (length - steps) / sumOf(0, slopes);
    for (;;) {
      const { u, passed, slope } = leastStarts(c, slopes);
      const step = sumOf(steps - length, passed) / slope;
      if (!(step > (1e-14 + 1e-18 * length) * c)) return onePhase(length, steps, u);
      c += step;
    }
  }

  /** The least start probabilities with V_j <= c r_j for all j, in one sweep from the end, and the
      derivative of their sum in c; `slopes` are the r_j from j = L - 1 down. */
  function leastStarts(c, slopes) {
    // ends, for each n of the window from the far end at `head`: what the sum of u must reach for
    // that n to drop out, and the derivative of that in c
    const length = slopes.length + 1, [u, passed, ends, endSlopes] = zeros(4, length);
    ends[0] = u[0] = 1;
    passed.fill(1, 1);
    let head = 0, total = 0, slope = 0, reach = 0, reachSlope = 0, surplus = 0;
    for (let seen = 1, j = length - 1; seen < length; seen++, j--) {
      const weight = slopes[seen - 1], bound = c * weight;
      let numerator = 1 + (reach - bound + surplus++);
      if (numerator > 0) {
        let numeratorSlope = reachSlope - weight, count = seen - head;
        while (count > 1 && ends[head] - total < numerator / count) {
          numerator -= ends[head] - total;
          numeratorSlope -= endSlopes[head++] - slope;
          count--;
        }
        passed[j] = 1 - (u[j] = total + numerator / count - total);
        if (numerator > 0.5 * count) { // passed is a sum of positive terms, and keeps its digits
          let between = 0, sum = (passed[j] = bound);
          count = 1;
          for (let n = j + 1; n < length && (between += u[n]) < passed[j]; n++) {
            passed[j] = (sum += between) / ++count;
          }
          u[j] = 1 - passed[j];
          numerator = count * u[j];
          head = seen - count;
          numeratorSlope = -(count - 1) * slope - weight;
          for (let n = head; n < seen - 1; n++) numeratorSlope += endSlopes[n];
        }
        surplus = numerator - count * (total + u[j] - total); // made good at the next position
        total += u[j];
        slope += numeratorSlope / count;
        [reach, reachSlope] = [bound, weight];
        if (total >= 2) { // only differences matter, and small numbers keep their digits
          total -= 2;
          for (let n = head; n < seen; n++) ends[n] -= 2;
        }
      }
      ends[seen] = total + 1;
      endSlopes[seen] = slope;
    }
    return { u, passed, slope };
  }

  // ---- best for a profile: schedules/_partitions.py
  /** The entropies as even integers in a unit in which none is rounded. */
  function exactly(h) {
    const parts = Array.from(h, (x) => {
      let exponent = x && 54;
      for (; x && x < 2 ** 53; exponent--) x *= 2;
      for (; x >= 2 ** 54; exponent++) x /= 2;
      return [BigInt(x), exponent];
    });
    const least = Math.min(0, ...parts.map(([, exponent]) => exponent));
    return parts.map(([digits, exponent]) => digits << BigInt(exponent - least));
  }

  /** Ends of the sizes with the least error, by a search over prices of a block. In integers, as in
      the package, so that of equally good sizes it finds the same. */
  function bestEnds(h, steps) {
    const heights = exactly(h);
    const priced = (cuts) => ({ cuts, steps: cuts.length - 1, area: cuts.reduce((area, end, i) =>
      (i ? area + BigInt(end - cuts[i - 1]) * heights[cuts[i - 1]] : area), 0n) });
    let few = priced([0, h.length]), many = priced([...heights.keys(), h.length]);
    if (steps === 1) many = few;
    if (steps === h.length) few = many;
    while (few.steps < many.steps) {
      const price = (few.area - many.area) / BigInt(many.steps - few.steps);
      const found = priced(cheapestCuts(heights, price | 1n));
      if (found.steps <= few.steps || found.steps >= many.steps) break;
      if (found.steps <= steps) few = found;
      if (found.steps >= steps) many = found;
    }
    // both are best for one price: the first blocks of one, then the others of the other
    const ahead = steps - few.steps;
    const i = few.cuts.findIndex((_, i) => many.cuts[i + ahead + 1] <= few.cuts[i + 1]);
    return [...many.cuts.slice(1, i + ahead + 1), ...few.cuts.slice(i + 1, -1)];
  }

  /** The best partition where each block costs `price` beside its area: the least cost before b is
      a minimum over lines in b of slope h_a, which take over from each other in the order of a. */
  function cheapestCuts(heights, price) {
    const length = heights.length, before = new Int32Array(length + 1);
    const lines = [{ a: 0, slope: heights[0], offset: price, since: 0 }];
    let now = 0;
    for (let b = 1; b <= length; b++) {
      if (now + 1 < lines.length && lines[now + 1].since <= b) now++;
      const line = lines[now], slope = heights[b] || 0n;
      before[b] = line.a;
      const offset = line.offset + BigInt(b) * (line.slope - slope) + price;
      let since = 0;
      for (; lines.length; lines.pop()) {
        const last = lines[lines.length - 1], more = offset - last.offset;
        const fall = last.slope - slope;
        since = more < 0n ? 0 : fall ? Number(more / fall) + 1 : Infinity;
        if (since > last.since) break;
      }
      if (since <= length) lines.push({ a: b, slope, offset, since });
    }
    const cuts = [length];
    while (cuts[0]) cuts.unshift(before[cuts[0]]);
    return cuts;
  }

  /** The least errors for K = 1, ..., L: the best last block by such lines, for each K in turn. */
  function leastErrors(h) {
    const length = h.length, errors = new Float64Array(length), lines = new Int32Array(length);
    // sums of h and what rounding took from them; lines in b, and from which b on they are least
    const [sum, lost, offsets, since] = zeros(4, length + 1);
    for (let t = 0; t < length; t++) {
      sum[t + 1] = sum[t] + h[t];
      lost[t + 1] = lost[t] + (h[t] - (sum[t + 1] - sum[t]));
    }
    const excess = (a, b) => (b - a) * h[a] - (sum[b] - sum[a] + (lost[b] - lost[a]));
    let least = filled(length + 1, (b) => excess(0, b));
    errors[0] = least[length];
    for (let steps = 2, next; steps < length; steps++, least = next) {
      next = new Float64Array(length + 1);
      for (let b = steps, now = 0, size = 0; b <= length; b++) {
        const a = b - 1, offset = least[a] + (sum[a] - a * h[a]);
        for (since[size] = 0; size; size--) {
          const fall = h[lines[size - 1]] - h[a], more = offset - offsets[size - 1];
          since[size] = fall > 0 ? more / fall : more < 0 ? 0 : Infinity;
          if (since[size] > since[size - 1]) break;
        }
        lines[size] = a;
        offsets[size] = offset;
        if (since[size] <= length) size++;
        now = Math.min(now, size - 1);
        while (now + 1 < size && since[now + 1] <= b) now++;
        next[b] = least[lines[now]] + excess(lines[now], b);
      }
      errors[steps - 1] = Math.max(next[length], 0);
    }
    return errors;
  }

  // ---- profiles in closed form: information/profile.py and targets/chains.py
  const entropyOf = (chances) => chances.reduce((sum, p) => sum - (p && p * Math.log(p)), 0);
  const symbols = (alphabetSize) => integer("alphabetSize", alphabetSize, 1, 2 ** 31);
  /** One of two words that differ everywhere, each letter flipped with probability `noise`. */
  function twoWords(length, { noise }) {
    const flip = Math.min(number("noise", noise, 0, 1), 1 - noise);
    const evidence = Math.min(Math.log((1 - flip) / flip), 1000); // finite without noise too
    const chance = filled(length, (w) => (w ? 0 : 1)); // that of j letters w fit the second word
    return filled(length, (j) => {
      let sum = 0;
      for (let w = j; w >= 0; w--) {
        if (chance[w] > 1e-30) {
          const next = (1 - 2 * flip) / (1 + Math.exp((2 * w - j) * evidence));
          sum += chance[w] * entropyOf([flip + next, 1 - flip - next]);
        }
        chance[w + 1] += flip * chance[w];
        chance[w] *= 1 - flip;
      }
      return sum;
    });
  }

  /** A chain of symbols, each what its neighbour is with chance `memory`, else uniform. */
  function chain(length, { memory, alphabetSize }) {
    number("memory", memory, 0, 0.999999);
    const q = symbols(alphabetSize);
    // over all pairs a gap apart, the total entropy of one given the other
    const pairs = filled(length, (gap) => {
      const other = (1 - memory ** gap) / q, same = memory ** gap + other;
      return (length - gap) * (entropyOf([same]) + (q - 1) * entropyOf([other]));
    });
    return filled(length, (t) => {
      if (t < 2) return t ? (2 * sumOf(0, pairs)) / (length * (length - 1)) : Math.log(q);
      // how likely two are neighbours in a set of t, and what one more in the set adds to that
      let weight = (t * (t - 1)) / (length * (length - 1)), sum = 0;
      for (let gap = 1; gap < length && weight >= 1e-40; gap++) {
        const added = (2 * length + 1 - (gap + 1) * t - gap) / ((t - 1) * (length - t));
        sum += weight * added * pairs[gap];
        weight *= Math.max(1 - (t - 2) / (length - 1 - gap), 0);
      }
      return sum;
    });
  }

  const level = (length, end, nats) => filled(length, (j) => (j < end ? nats : 0));
  const nats = (entropy) => number("entropy", entropy, 0, MOST_NATS);
  const FAMILIES = {
    "independent": (length, { entropy }) => level(length, length, nats(entropy)),
    "repetition": (length, { entropy }) => level(length, 1, nats(entropy)),
    "MDS code": (length, { dimension, alphabetSize }) => level(length,
      integer("dimension", dimension, 1, length), Math.log(symbols(alphabetSize))),
    "two words": twoWords,
    "Markov chain": chain,
  };
  /** The profile h of a closed family, such as profile("two words", { noise: 0.1 }, 64). */
  function profile(family, parameters, length) {
    const curve = FAMILIES[choice("family", family, Object.keys(FAMILIES))];
    return checkProfile(curve(integer("length", length, 1, LONGEST), Object(parameters)));
  }

  /** The falls of the profile, Delta_j in entry j - 1. */
  function increments(profile) {
    const h = checkProfile(profile);
    return filled(h.length - 1, (i) => h[i] - h[i + 1]);
  }
  const totalCorrelation = (h) => dot(increments(h), residualWeights("tc", h.length));
  const dualTotalCorrelation = (h) => dot(increments(h), residualWeights("dtc", h.length));

  // ---- schedules and their errors: error/law.py and error/guarantee.py
  const KINDS = {
    "equal": (length, steps) =>
      fixed(length, between(steps, (k) => Math.floor((k * length) / steps))),
    "shifted equal": shiftedEqual,
    "cosine": leaving((k, length, steps) => length * Math.cos((Math.PI * k) / (2 * steps))),
    "geometric": leaving((k, length, steps) => length ** (1 - k / steps)),
    "TC-adaptive": adaptive(true),
    "DTC-adaptive": adaptive(false),
    "best deterministic": bestDeterministic,
    "minimax": minimax,
    "optimal": (length, steps, _, h) => fixed(length, bestEnds(h, steps)),
  };
  /** A schedule of L positions and K steps; arrays are made when they are first asked for. */
  function schedule(name, { length, steps, measure, profile } = {}) {
    choice("name", name, Object.keys(KINDS));
    integer("steps", steps, 1, integer("length", length, 1, LONGEST));
    if (/best|minimax/.test(name)) choice("measure", measure, Object.keys(MEASURES));
    const h = name === "optimal" ? checkProfile(profile) : { length };
    if (h.length !== length) refuse("the length of profile", `be ${length}`, h.length);
    const made = KINDS[name](length, steps, measure, h), { uniformsNeeded } = made, kept = {};
    const once = (key) => kept[key] || (kept[key] = made[key]());
    return Object.freeze({
      name, length, steps, measure, uniformsNeeded, random: uniformsNeeded > 0,
      get startProbabilities() { return once("startProbabilities"); },
      get residual() { return once("residual"); },
      get meanSizes() { return once("meanSizes"); },
      /** The least c with E KL <= c sum r_j Delta_j for every distribution. */
      coefficient(of) { return largestRatio(this.residual, residualWeights(of, length)); },
      /** One draw, by so many numbers in [0, 1), in the package's order. */
      sizes(uniforms = []) {
        for (let i = 0; i < uniformsNeeded; i++) {
          const inside = uniforms[i] >= 0 && uniforms[i] < 1;
          if (!inside) refuse(`uniforms at ${i}`, "be a number in [0, 1)", uniforms[i]);
        }
        return made.draw(uniforms);
      },
    });
  }

  /** The expected error of a schedule on a profile, in nats: the sum of Delta_j E[W_j]. */
  function expectedKl(made, h) {
    const falls = increments(h);
    if (h.length !== made.length) refuse("the length of profile", `be ${made.length}`, h.length);
    return dot(falls, made.residual);
  }

  /** The expected errors for K = 1, ..., L, entry K - 1; "optimal" is so for this very profile. */
  function errorCurve(name, { measure } = {}, h) {
    const falls = increments(h), tc = totalCorrelation(h), length = h.length;
    const error = (steps) => dot(falls, schedule(name, { length, steps, measure }).residual);
    if (name === "TC-adaptive") return tcConstants(length).map((c) => c * tc);
    if (name === "DTC-adaptive") return dtcErrors(falls);
    return name === "optimal" ? leastErrors(checkProfile(h)) : filled(length, (i) => error(i + 1));
  }

  /** The first K whose error is at most a target, and the K from which on all are. */
  function stepsFor(curve, target) {
    number("target", target, 0, Infinity);
    const after = curve.findLastIndex((error) => error > target) + 2;
    const first = curve.findIndex((error) => error <= target) + 1;
    return { first: first || null, stays: after > curve.length ? null : after };
  }

  return Object.freeze({
    names: Object.freeze(Object.keys(KINDS)),
    measures: Object.freeze(Object.keys(MEASURES)),
    families: Object.freeze(Object.keys(FAMILIES)),
    longest: LONGEST,
    schedule, residualWeights, profile, checkProfile, increments, totalCorrelation,
    dualTotalCorrelation, expectedKl, errorCurve, stepsFor,
    source: () => `var dlm = (${make})();`,
  });
})();
if (typeof module !== "undefined") module.exports = dlm;
