/* What the port answers to a list of questions, as one list of numbers after the other.

   Under node: node port.js SCRIPT < questions > answers, as float64. In a page: answers(dlm, ...). */
function answers(dlm, { schedules, curves, profiles, families, uniforms }) {
  const found = [];
  const measures = dlm.measures;
  for (const { family, parameters, length } of families) {
    found.push(dlm.profile(family, parameters, length));
  }
  for (const h of profiles) {
    found.push(dlm.increments(h), [dlm.totalCorrelation(h), dlm.dualTotalCorrelation(h)]);
  }
  for (const { name, length, steps, measure, place } of schedules) {
    const made = dlm.schedule(name, { length, steps, measure, profile: profiles[place] });
    found.push(made.startProbabilities, made.residual, made.meanSizes);
    found.push(measures.map((measure) => made.coefficient(measure)));
    found.push(profiles.map((h) => dlm.expectedKl(made, h)));
    found.push(...uniforms.map((numbers) => made.sizes(numbers)));
  }
  for (const { name, measure, place } of curves) {
    found.push(dlm.errorCurve(name, { measure }, profiles[place]));
  }
  return found.flatMap((numbers) => Array.from(numbers));
}

if (typeof require === "function") {
  const { readFileSync, writeSync } = require("fs");
  const found = answers(require(process.argv[2]), JSON.parse(readFileSync(0, "utf8")));
  const bytes = Buffer.from(Float64Array.from(found).buffer);
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(1, bytes, sent);
}
