"""The schedules in the pages: the script computes what the package does, to the last size.

Nothing is stored: the questions and what the package answers are made here, and a script with a
wrong constant must be found out.
"""

import json
import subprocess
from base64 import b64decode
from math import log, sqrt
from pathlib import Path

import numpy as np
import playwright
import pytest
from contents import ROOT

# Pytest finds a fixture where its name is.
from test_pages import browser  # noqa: F401

from dlm_core import InformationProfile
from dlm_core.error import error_curve, expected_kl
from dlm_core.schedules import (
    BestDeterministic,
    Cosine,
    DTCAdaptive,
    Equal,
    Geometric,
    Minimax,
    OptimalForProfile,
    ShiftedEqual,
    TCAdaptive,
    measure_weights,
)
from dlm_core.targets import MarkovChain

SCRIPT = ROOT / "book/_static/dlm.js"
QUESTIONER = Path(__file__).with_name("port.js")
NODE = Path(playwright.__file__).parent / "driver/node"

LENGTHS = [2, 3, 4, 5, 8, 17, 64, 257, 1024, 2000]
MEASURES = ["tc", "dtc", "sum", "min", "product"]
BY_SHAPE = {
    "equal": Equal,
    "shifted equal": ShiftedEqual,
    "cosine": Cosine,
    "geometric": Geometric,
    "TC-adaptive": TCAdaptive,
    "DTC-adaptive": DTCAdaptive,
}
FOR_MEASURE = {"best deterministic": BestDeterministic, "minimax": Minimax}
SEEDS = [1, 2, 3]


def numbers_of_steps(length):
    few = 1, 2, 3, round(log(length)), round(sqrt(length)), length // 2, length - 1, length
    return sorted({k for k in few if 1 <= k <= length})


def closed_profiles(length):
    """Families, their parameters by the names of the script, and the package's profile."""

    def chain(memory, symbols):
        law = memory * np.eye(symbols) + (1 - memory) / symbols
        return MarkovChain(length, law).profile()

    half = (length + 1) // 2
    return [
        ("independent", {"entropy": 1.5}, InformationProfile.product(np.full(length, 1.5))),
        ("repetition", {"entropy": 2.5}, InformationProfile.repetition(length, 2.5)),
        (
            "MDS code",
            {"dimension": half, "alphabetSize": 64},
            InformationProfile.mds_code(length, half, 64),
        ),
        ("two words", {"noise": 0.1}, InformationProfile.two_words(length, 0.1)),
        ("two words", {"noise": 0.97}, InformationProfile.two_words(length, 0.97)),
        ("two words", {"noise": 0}, InformationProfile.two_words(length, 0)),
        ("Markov chain", {"memory": 0.9, "alphabetSize": 2}, chain(0.9, 2)),
        ("Markov chain", {"memory": 0.999, "alphabetSize": 3}, chain(0.999, 3)),
        ("Markov chain", {"memory": 0, "alphabetSize": 5}, chain(0.0, 5)),
    ]


class Questions:
    """What the script is asked about one length, and what the package answers."""

    def __init__(self, length):
        self.length = length
        families = closed_profiles(length)
        rng = np.random.default_rng(length)
        uneven = np.cumsum(rng.exponential(size=length) ** 4)[::-1] / length
        self.profiles = [families[place][2] for place in (1, 2, 3, 6)]
        self.profiles += map(InformationProfile, (uneven, 10.0 ** np.linspace(2, -300, length)))
        self.asked = {
            "families": [
                {"family": name, "parameters": given, "length": length}
                for name, given, _ in families
            ],
            "profiles": [profile.conditional_entropy.tolist() for profile in self.profiles],
            "uniforms": [
                np.random.default_rng(seed).random(max(length - 1, 1)).tolist() for seed in SEEDS
            ],
            "schedules": [],
            "curves": [],
        }
        # what it is called, the package's numbers, and whether they are sizes
        self.expected = [
            (f"{name} {given}", profile.conditional_entropy, False)
            for name, given, profile in families
        ]
        for profile in self.profiles:
            both = profile.total_correlation, profile.dual_total_correlation
            self.expected += [("increments", profile.increments, False), ("TC, DTC", both, False)]
        for steps in numbers_of_steps(length):
            self._ask_schedules(steps)
        for place in range(len(self.profiles)):
            self._ask_curves(place)

    def _ask_schedules(self, steps):
        for name, kind in BY_SHAPE.items():
            self._ask(kind(self.length, steps), name=name)
        for name, kind in FOR_MEASURE.items():
            for measure in MEASURES:
                self._ask(kind(self.length, steps, measure), name=name, measure=measure)
        for place, profile in enumerate(self.profiles):
            self._ask(OptimalForProfile(profile, steps), name="optimal", place=place)

    def _ask(self, schedule, **given):
        self.asked["schedules"].append({"length": self.length, "steps": schedule.steps, **given})
        what = f"{given} with {schedule.steps} steps"
        self.expected += [
            (f"start probabilities of {what}", schedule.start_probabilities, False),
            (f"residual of {what}", schedule.residual, False),
            (f"mean sizes of {what}", schedule.mean_sizes, False),
            (f"coefficients of {what}", [schedule.coefficient(m) for m in MEASURES], False),
            (f"errors of {what}", [expected_kl(schedule, p) for p in self.profiles], False),
        ]
        self.expected += [(f"sizes of {what}", schedule.sample(1, seed)[0], True) for seed in SEEDS]

    def _ask_curves(self, place):
        """Every number of steps, of what is quick in the package."""
        measure = MEASURES[place % len(MEASURES)]
        kinds = {"TC-adaptive": TCAdaptive, "DTC-adaptive": DTCAdaptive}
        if self.length <= 257:
            kinds["optimal"] = OptimalForProfile
        if self.length <= 64:
            kinds |= BY_SHAPE
        if self.length <= 17:
            kinds |= {
                name: lambda length, steps, kind=kind: kind(length, steps, measure)
                for name, kind in FOR_MEASURE.items()
            }
        for name, kind in kinds.items():
            self.asked["curves"].append({"name": name, "measure": measure, "place": place})
            values = error_curve(self.length, kind, profile=self.profiles[place]).values
            self.expected.append((f"errors of {name} on profile {place}", values, False))

    def wrong(self, answers):
        """What the answers say that the package does not."""
        sizes = [len(numbers) for _, numbers, _ in self.expected]
        if len(answers) != sum(sizes):
            return ["as many numbers as the package has"]
        parts = np.split(answers, np.cumsum(sizes)[:-1])
        return [
            what
            for (what, numbers, exact), found in zip(self.expected, parts, strict=True)
            if not agree(found, np.asarray(numbers), 0 if exact else 1e-11)
        ]


def agree(found, expected, tolerance):
    """Whether numbers agree, relatively where they exceed one; no NaN does."""
    return bool(np.all(np.abs(found - expected) <= tolerance * np.maximum(1, np.abs(expected))))


def run(*arguments, given=""):
    """What node prints, as bytes."""
    done = subprocess.run([NODE, *arguments], input=given.encode(), capture_output=True, check=True)
    return done.stdout


def ask(script, questions):
    return np.frombuffer(run(QUESTIONER, script, given=json.dumps(questions.asked)))


def evaluate(*expressions):
    """What expressions of the script's `dlm` come to, or the messages of their `RangeError`."""
    asked = ", ".join(f"() => {expression}" for expression in expressions)
    program = f"""
        const dlm = require({json.dumps(str(SCRIPT))});
        const found = [{asked}].map(ask => {{
            try {{ return ask(); }}
            catch (error) {{
                if (error instanceof RangeError) return "refused: " + error.message;
                throw error;
            }}
        }});
        console.log(JSON.stringify(found));"""
    return json.loads(run("-e", program))


@pytest.mark.parametrize("length", LENGTHS)
def test_numbers_are_those_of_the_package(length):
    questions = Questions(length)
    assert questions.wrong(ask(SCRIPT, questions)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(i + 1) * (i + 2)) / 2 - 1", "(i + 1) * (i + 2)) / 2"),
        ("weight / both) * errorFewer", "weight / both) * before"),
        ("harmonic += 1 / t++", "harmonic += 1 / ++t"),
        ("numbers.unshift(t)", "numbers.push(t)"),
        ("Math.PI * k) / (2 * steps)", "Math.PI * k) / (2 * steps + 1)"),
        ("length ** (1 - k / steps)", "length ** (1 - k / (steps + 1))"),
        ("(steps - 1) / (length - 1)", "steps / length"),
        ("until[t] <= phase", "until[t] >= phase"),
        ("sum += (next - i - 1) * u[next]", "sum += (next - i) * u[next]"),
        ("Math.min(next, (room + 1)", "Math.min(next, (room + 2)"),
        ("ends[seen] = total + 1;", "ends[seen] = total + 1.001;"),
        ("(line.slope - slope) + price", "(line.slope - slope) + 2n * price"),
        ("BigInt(b) * (line.slope", "BigInt(b + 1) * (line.slope"),
        ("(entropyOf([same])", "(0.9999 * entropyOf([same])"),
        ("min: (j, length) => Math.min(j, length - j)", "min: (j) => j"),
        ("chance[w + 1] += flip", "chance[w + 1] += 1.000001 * flip"),
    ],
)
def test_a_wrong_constant_is_found_out(right, wrong, tmp_path, small):
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count(right) == 1
    changed = tmp_path / "dlm.js"
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    assert small.wrong(ask(changed, small))


@pytest.fixture(scope="module")
def small():
    return Questions(17)


REFUSED = [
    ('dlm.schedule("equal", { length: 4.5, steps: 2 })', "length must be an integer"),
    ('dlm.schedule("equal", { length: 5000, steps: 2 })', "from 1 to 4096, got 5000"),
    ('dlm.schedule("equal", { length: 4, steps: 5 })', "steps must be an integer from 1 to 4"),
    ('dlm.schedule("equal", { length: 4, steps: "2" })', 'got "2"'),
    ('dlm.schedule("equal")', "length must be an integer from 1 to 4096, got undefined"),
    ('dlm.schedule("toString", { length: 4, steps: 2 })', "name must be one of equal, "),
    ('dlm.schedule("minimax", { length: 4, steps: 1 })', "measure must be one of tc, dtc"),
    ('dlm.schedule("optimal", { length: 4, steps: 1 })', "profile must be an array"),
    (
        'dlm.schedule("optimal", { length: 4, steps: 1, profile: [1] })',
        "the length of profile must be 4, got 1",
    ),
    ('dlm.schedule("minimax", { length: 4, steps: 2, measure: "tc" }).sizes([1])', "[0, 1)"),
    ('dlm.schedule("TC-adaptive", { length: 4, steps: 2 }).sizes([0, 0])', "uniforms at 2"),
    ('dlm.schedule("equal", { length: 4, steps: 2 }).coefficient("TC")', 'got "TC"'),
    ("dlm.checkProfile([])", "the length of profile must be an integer from 1"),
    ("dlm.checkProfile([1, NaN])", "profile at j=1 must be a number"),
    ("dlm.checkProfile([1, null])", "profile at j=1 must be a number"),
    ('dlm.checkProfile([1, "<b>"])', 'got "<b>"'),
    ("dlm.checkProfile([1e400])", "got Infinity"),
    ("dlm.checkProfile([1, -1e-10])", "profile at j=1 must be nonnegative, got -1e-10"),
    ("dlm.checkProfile([1, 1.1])", "profile at j=1 must be at most the 1 before, got 1.1"),
    ('dlm.checkProfile("1, 2")', "profile must be an array of numbers"),
    ('dlm.profile("MDS code", { dimension: 5, alphabetSize: 2 }, 4)', "from 1 to 4, got 5"),
    ('dlm.profile("two words", undefined, 4)', "noise must be a number from 0 to 1"),
    ('dlm.profile("Markov chain", { memory: 1, alphabetSize: 2 }, 4)', "memory must be"),
    ('dlm.profile("repetition", { entropy: -1 }, 4)', "entropy must be a number from 0"),
    ('dlm.profile("code", {}, 4)', "family must be one of independent, "),
    ('dlm.expectedKl(dlm.schedule("equal", { length: 2, steps: 1 }), [1])', "must be 2, got 1"),
    ('dlm.errorCurve("none", {}, [1, 0])', "name must be one of"),
    ("dlm.stepsFor([1, 0], NaN)", "target must be a number"),
]


def test_bad_arguments_are_refused_in_a_sentence():
    found = evaluate(*(expression for expression, _ in REFUSED))
    for said, (expression, message) in zip(found, REFUSED, strict=True):
        assert said.startswith("refused: ") and message in said, expression


def test_rounding_is_flattened_as_by_the_package():
    h = [1.0, 1.0 + 1e-12, 0.5, 1e-12, -1e-12]
    kept = InformationProfile(h).conditional_entropy.tolist()
    assert evaluate(f"Array.from(dlm.checkProfile({h}))") == [kept]


@pytest.mark.parametrize("length", [1, 2, 9])
def test_weights_are_those_of_the_package(length):
    asked = (f"Array.from(dlm.residualWeights({measure!r}, {length}))" for measure in MEASURES)
    assert evaluate(*asked) == [measure_weights(m, length).tolist() for m in MEASURES]


@pytest.mark.parametrize("name", [*BY_SHAPE, *FOR_MEASURE, "optimal"])
def test_a_single_position_has_one_step_and_no_error(name):
    given = "{ length: 1, steps: 1, measure: 'tc', profile: [1] }"
    made = f"dlm.schedule({name!r}, {given})"
    numbers = f"[...{made}.sizes([0]), ...{made}.startProbabilities, ...{made}.meanSizes]"
    curve = f"Array.from(dlm.errorCurve({name!r}, {given}, [1]))"
    assert evaluate(numbers, curve) == [[1, 1, 1], [0]]


def test_steps_for_a_target_are_the_first_and_those_from_which_it_stays_met():
    # equal sizes lose nothing where a block happens to start at the one increment of a code
    profile = InformationProfile.mds_code(64, 32, 64)
    curve = error_curve(64, Equal, profile=profile)
    for target in (0.0, 1.0, 10.0, 200.0):
        found = evaluate(
            f'dlm.stepsFor(dlm.errorCurve("equal", {{}}, '
            f"{profile.conditional_entropy.tolist()}), {target})"
        )
        missed = np.flatnonzero(curve.values > target)
        stays = int(missed[-1]) + 2 if missed.size else 1
        assert found == [{"first": int(curve.steps_for(target)), "stays": stays}]
    assert evaluate("dlm.stepsFor([3, 2], 1)") == [{"first": None, "stays": None}]


def test_a_worker_can_be_made_from_its_text():
    copy = 'new Function(dlm.source() + "return dlm;")()'
    made = 'schedule("minimax", { length: 64, steps: 9, measure: "tc" })'
    one, other = evaluate(*(f"Array.from({of}.{made}.meanSizes)" for of in (copy, "dlm")))
    assert one == other


def test_it_stays_short():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 600
    assert max(map(len, lines)) <= 100


@pytest.mark.pages
@pytest.mark.of_page("book/explorer")
def test_numbers_are_the_same_in_a_browser_without_a_server(browser, tmp_path):  # noqa: F811
    page = tmp_path / "page.html"
    page.write_text(
        f"<script src='{SCRIPT.as_uri()}'></script><script src='{QUESTIONER.as_uri()}'></script>",
        encoding="utf-8",
    )
    asked = """questions => new Promise(done => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result.split(",")[1]);
        reader.readAsDataURL(new Blob([Float64Array.from(answers(dlm, questions))]));
    })"""
    in_worker = """() => new Promise((answer, refuse) => {
        const text = dlm.source() + "postMessage(dlm.errorCurve('cosine', {}, [3, 2, 1, 0]));";
        const worker = new Worker(URL.createObjectURL(new Blob([text])));
        worker.onmessage = ({ data }) => answer(Array.from(data));
        worker.onerror = refuse;
    })"""
    tab = browser.new_page()
    tab.set_default_timeout(120_000)  # milliseconds
    tab.goto(page.as_uri())
    for length in (2, 5, 17, 257, 2000):
        questions = Questions(length)
        answers = np.frombuffer(b64decode(tab.evaluate(asked, questions.asked)))
        assert questions.wrong(answers) == []
    expected = error_curve(4, Cosine, profile=InformationProfile([3, 2, 1, 0])).values
    assert agree(np.array(tab.evaluate(in_worker)), expected, 1e-11)
    tab.close()
