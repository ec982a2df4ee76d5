"""What is installed: the lock, the declared requirements, the wheel, and what an import costs."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = "requirements", "requirements-bench"
SOURCES = {"pyproject.toml": "dlm_core", "book/pyproject.toml": "book/bookkit"}
MINORS = 11, 12, 13


def asked_for(name):
    """The requirements of a file written by hand."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("--")]


@cache
def locked(name):
    """The entries of a lock: by name, the version and the marker, or None where there is none."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / f"{name}.txt").read_text(), flags=re.MULTILINE)
    entries = re.findall(
        r"^(\S+)==(\S+)(?: ; (.+?))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n",
        text,
        re.MULTILINE,
    )
    assert len(entries) == len(re.findall(r"^\S", text, re.MULTILINE)), "an entry without a hash"
    return {
        canonicalize_name(package): (Version(version), Marker(marker) if marker else None)
        for package, version, marker, _ in entries
    }


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_what_was_asked_for(name):
    lock = locked(name)
    for requirement in asked_for(f"{name}.in"):
        version, marker = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert not marker, requirement


def test_the_locks_agree():
    first, second = map(locked, LOCKS)
    assert {name: first[name] for name in first if name in second} == {
        name: second[name] for name in second if name in first
    }


def test_the_lock_is_installed():
    for name, (version, marker) in locked("requirements").items():
        if not marker or marker.evaluate():
            assert Version(metadata.version(name)) == version, name


def test_torch_is_pinned_beside_the_lock_that_holds_what_it_needs():
    (torch,) = asked_for("requirements-torch.txt")
    assert torch.specifier.contains(metadata.version("torch"))
    assert "torch" not in locked("requirements")
    needed = [Requirement(line) for line in metadata.requires("torch")]
    for requirement in needed:
        binary = requirement.name.startswith(("nvidia", "cuda", "triton"))
        if not binary and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            version, _ = locked("requirements")[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*")), ids=lambda path: path.name)
def test_no_requirement_names_a_host_or_an_index(path):
    assert not re.search(r"://|--index|--extra-index|--find-links", path.read_text())


def project(path):
    return tomllib.loads((ROOT / path).read_text())["project"]


def imported(folder):
    """The top-level modules that are imported anywhere in the code under a folder."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.partition(".")[0]


@pytest.mark.parametrize(("path", "folder"), SOURCES.items())
def test_what_is_imported_is_declared(path, folder):
    declared = project(path)
    lines = sum(declared["optional-dependencies"].values(), declared["dependencies"])
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    distributions = metadata.packages_distributions()
    # Python itself looks for a module sitecustomize, of whoever has one.
    ours = {*sys.stdlib_module_names, "sitecustomize", Path(folder).name}
    for module in {*imported(ROOT / folder)} - ours:
        assert names & set(map(canonicalize_name, distributions[module])), module


@pytest.mark.parametrize("path", SOURCES)
def test_what_is_declared_holds_for_the_lock(path):
    declared = project(path)
    for line in sum(declared["optional-dependencies"].values(), declared["dependencies"]):
        requirement = Requirement(line)
        if requirement.name not in ("dlm-core", "torch"):
            version, _ = locked("requirements")[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_every_place_names_the_same_version():
    from dlm_core import __version__

    assert metadata.version("dlm-core") == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert (
        re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == __version__
    )


def python(code, executable=sys.executable, **options):
    done = subprocess.run(
        [executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORT_COST = """
import time, numpy
start = time.process_time()
import dlm_core
print(time.process_time() - start)
"""


def test_the_import_costs_little_beyond_numpy():
    assert min(float(python(IMPORT_COST)) for _ in range(5)) < 0.2


@pytest.mark.parametrize("home", ["schedules", "information", "error"])
def test_heavy_modules_wait_until_they_are_needed(home):
    loaded = python(
        f"import dlm_core, sys\n"
        f"[getattr(dlm_core, name) for name in dlm_core._MODULES[{home!r}]]\n"
        "print(*sys.modules)"
    ).split()
    assert f"dlm_core.{home}" in loaded
    assert not {"torch", "tqdm", "scipy.stats", "scipy.optimize", "scipy.special"} & {*loaded}


# Every name works or says which extra brings what is missing; run where `missing` is not installed.
WITHOUT = """
import importlib, pkgutil, sys
import dlm_core
def attempt(what, load):
    try:
        load()
    except ModuleNotFoundError as error:
        assert error.name == {missing!r}, error
        assert "pip install dlm-core[sampler]" in str(error), error
        print(what)
for name in dlm_core.__all__:
    attempt(name, lambda: getattr(dlm_core, name))
for module in pkgutil.walk_packages(dlm_core.__path__, "dlm_core.", onerror=lambda name: None):
    if module.name.rpartition(".")[2] != "_torch":
        attempt(module.name, lambda: importlib.import_module(module.name))
"""
# The modules that need the extra; whatever else fails without it fails the tests below.
OF_THE_EXTRA = {"adapters", "estimation", "learning", "sampler", "targets"}


def check_without(missing, run):
    import dlm_core

    refused = set(run(WITHOUT.format(missing=missing)).split())
    names = {name for home in OF_THE_EXTRA for name in dlm_core._MODULES[home]}
    assert names <= refused
    assert {name for name in refused if "." not in name} == names
    modules = {name.split(".")[1] for name in refused if "." in name}
    assert modules == OF_THE_EXTRA | {"predictor", "_laws", "_plan"}


@pytest.mark.parametrize("missing", ["torch", "tqdm"])
def test_what_is_missing_is_named_with_the_extra_that_brings_it(missing):
    check_without(
        missing, lambda code: python(f"import sys; sys.modules[{missing!r}] = None\n{code}")
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "dlm_core", source / "dlm_core", ignore=shutil.ignore_patterns("__py*"))
    (source / "book").mkdir()
    shutil.copytree(ROOT / "book/bookkit", source / "book/bookkit")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dlm_core").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == files


def installed_pythons():
    """Every Python that the package is declared for and that starts, by its version."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        name = f"python3.{minor}"
        found = [shutil.which(name), *sorted(versions.glob(f"3.{minor}.*/bin/{name}"))]
        for executable in filter(None, found):
            command = [executable, "-c", "import ensurepip"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                yield f"3.{minor}", str(executable)
                break


def lowest():
    """The declared requirements at their floors."""
    return [line.replace(">=", "==") for line in project("pyproject.toml")["dependencies"]]


PYTHONS = dict(installed_pythons())
SETTINGS = [(version, "newest") for version in PYTHONS] + [("3.11", "lowest")] * ("3.11" in PYTHONS)


def runs_on_the_wheel_alone(path):
    """Whether a file of tests imports the library, and nothing that its wheel does not bring."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    lacking = {"torch", "galois", "dit", "bookkit", "transformers"}
    lacking |= {f"dlm_core.{name}" for name in OF_THE_EXTRA}
    parents = {name[: match.start()] for name in names for match in re.finditer(r"\.", name)}
    return "dlm_core" in names | parents and not lacking & (names | parents)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "dependencies"), SETTINGS)
def test_the_wheel_works_alone(wheel, tmp_path, version, dependencies):
    """Installed with numpy and scipy only, and used where there is no checkout."""
    subprocess.run([PYTHONS[version], "-m", "venv", tmp_path / "venv"], check=True)
    executable = tmp_path / "venv/bin/python"
    tools = [f"{name}=={locked('requirements')[name][0]}" for name in ("pytest", "hypothesis")]
    wanted = [wheel, *tools, *(lowest() if dependencies == "lowest" else ())]
    subprocess.run([executable, "-m", "pip", "install", "--quiet", *wanted], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH")}

    def run(code):
        return python(code, executable, cwd=elsewhere, env=env)

    assert Path(run("import dlm_core; print(dlm_core.__file__)")).is_relative_to(tmp_path)
    check_without("torch", run)
    files = [*filter(runs_on_the_wheel_alone, sorted((ROOT / "tests").glob("test_*.py")))]
    assert len(files) > 5
    command = [executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    subprocess.run(command, cwd=elsewhere, env=env, check=True)
