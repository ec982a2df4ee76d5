"""What stands around the code: the Makefile, the script of CI, and what pytest does with skips."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DASH = shutil.which("dash") or shutil.which("sh")
TOOLS = "cat", "dirname", "env", "expand", "grep", "id", "make", "mkdir", "rm", "sed", "touch"

GOOD, OLD, SHIM = "exit 0", "exit 1", "exit 127"
# A Python that logs how it is called, and whose virtual environment holds itself.
LOGGING = """echo "$@" >> "$LOG"
if [ "$2" = venv ]; then
  mkdir -p "$3/bin"; cat "$0" > "$3/bin/python"; chmod +x "$3/bin/python"
fi"""


def script(path, body):
    path.write_text(f"#!{DASH}\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path):
    """A folder for PATH with a few tools and no Python; its shell is dash where there is one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in (*TOOLS, "chmod"):
        (folder / tool).symlink_to(shutil.which(tool))
    (folder / "sh").symlink_to(DASH)
    (folder / "bash").symlink_to(shutil.which("bash"))
    return folder


def run(*command, path, cwd=ROOT, **env):
    env = {"PATH": str(path), **env}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def make(path, *arguments, **options):
    # where an environment is installed already, a requirement that changed asks for it again
    changed = "--what-if=requirements.txt"
    return run("make", f"SHELL={DASH}", changed, *arguments, path=path, **options)


@pytest.mark.parametrize(
    ("pythons", "found"),
    [
        ({"python3.12": GOOD}, "python3.12"),
        ({"python3.13": GOOD}, "python3.13"),
        ({"python3": GOOD}, "python3"),
        ({"python3.11": GOOD, "python3.12": GOOD, "python3": OLD}, "python3.11"),
        ({"python3.11": SHIM, "python3.12": GOOD}, "python3.12"),
        ({"python3": OLD, "python3.13": GOOD}, "python3.13"),
    ],
)
def test_a_python_that_works_is_found(path, pythons, found):
    for name, body in pythons.items():
        script(path / name, body)
    assert f'"{path / found}" -m venv .venv\n' in make(path, "-n", "env").stdout


@pytest.mark.parametrize("pythons", [{}, {"python3": OLD}, {"python3.12": SHIM}])
def test_the_lack_of_a_python_is_said(path, pythons):
    for name, body in pythons.items():
        script(path / name, body)
    result = make(path, "env")
    assert result.returncode
    assert result.stdout == (
        "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python\n"
    )


@pytest.fixture
def checkout(tmp_path):
    """The files that stand around the code, in a folder with spaces in its name."""
    folder = tmp_path / "a folder" / "with spaces"
    (folder / "book").mkdir(parents=True)
    (folder / ".ci").mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-torch.txt", ".ci/run"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("pyproject.toml", "book/pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_the_environment_is_the_lock_then_torch_then_the_project(path, checkout):
    python = path / "my python"
    script(python, LOGGING)
    log = checkout / "log"
    result = make(path, f"PYTHON={python}", "env", cwd=checkout, LOG=str(log))
    assert result.returncode == 0, result.stderr
    assert (checkout / ".venv/installed").exists()
    install = "-m pip install --quiet"
    assert [line for line in log.read_text().splitlines() if not line.startswith("-c")] == [
        "-m venv .venv",
        f"{install} --require-hashes --requirement requirements.txt",
        f"{install} --requirement requirements-torch.txt",
        f"{install} --no-deps --no-build-isolation --editable . --editable book",
        "-m pip check",
    ]


def test_ci_runs_what_a_reader_can_run(path, checkout):
    (path / "make").unlink()
    script(path / "make", 'echo "make $* in $(pwd)"')
    script(path / "chromium", GOOD)
    result = run("bash", checkout / ".ci/run", path=path, cwd=checkout.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[:2] == [
        f"make {target} in {checkout}" for target in ("test", "book FRESH=1")
    ]


def test_help_lists_every_target(path):
    listed = re.findall(r"^([a-z-]+) +\S", make(path, "help").stdout, re.MULTILINE)
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(" ".join(phony).split())


def test_an_installation_leaves_nothing_to_commit(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for folder in ("build/lib", "dlm_core.egg-info", "book/build/lib", "book/bookkit.egg-info"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    status = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.check_output(status, text=True) == "?? .gitignore\n"


SKIPS = """
import pytest

def test_good(): pass

def test_skipped(): pytest.skip("no Chromium")

@pytest.mark.skip(reason="no GPU on this machine")
def test_of_a_gpu(): pass

@pytest.mark.xfail
def test_known_to_fail(): assert False
"""


def pytest_on(source, folder, ci, *options):
    shutil.copy(ROOT / "tests/conftest.py", folder)
    (folder / "test_skips.py").write_text(source)
    plugins = "-p", "no:cacheprovider", "-p", "xdist"
    command = sys.executable, "-m", "pytest", *plugins, *options, "."
    env = os.environ | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_skipped_test_fails_in_ci(tmp_path, workers):
    code, lines = pytest_on(SKIPS, tmp_path, "true", "-n", workers)
    assert code == 1
    assert "skipped, which fails where CI is set: no Chromium" in lines
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed" in lines[-2]
    assert lines[-1] == "1 not run: no GPU on this machine"


def test_a_skipped_file_fails_in_ci(tmp_path):
    code, lines = pytest_on("import pytest; pytest.importorskip('no_such')", tmp_path, "true")
    assert code
    assert any("where CI is set: could not import 'no_such'" in line for line in lines)


@pytest.mark.parametrize("ci", ["", "false"])
def test_a_skipped_test_is_named_last_elsewhere(tmp_path, ci):
    code, lines = pytest_on(SKIPS, tmp_path, ci)
    assert code == 0
    assert "1 passed, 2 skipped, 1 xfailed" in lines[-3]
    assert lines[-2:] == ["1 not run: no Chromium", "1 not run: no GPU on this machine"]


def test_the_comparison_finds_what_it_imports():
    """Its environment holds the other calculators, and neither of our distributions."""
    (folders,) = re.findall(
        r"PYTHONPATH=(\S+) .*benchmarks/information\.py", (ROOT / "Makefile").read_text()
    )
    source = (ROOT / "benchmarks/information.py").read_text()
    for name in {*re.findall(r"^from (dlm_core|bookkit)\b", source, re.MULTILINE)}:
        assert any((ROOT / folder / name).is_dir() for folder in folders.split(":")), name
