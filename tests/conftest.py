"""Nothing goes untested without a word: skipped tests are named last; where CI is set they fail."""

import os
from collections import Counter

import pytest

# numba, by which galois computes, else gives the whole process, torch too, a thread for each CPU.
os.environ["NUMBA_NUM_THREADS"] = "1"

# They hold no doctests, and as modules they would have one name.
collect_ignore = ["conftest.py", "book/conftest.py"]

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
# How the reasons begin that are accepted in CI.
ACCEPTED = ("no GPU",)


def _as_failure_in_ci(report):
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(ACCEPTED):
            report.outcome = "failed"
            report.longrepr = f"skipped, which fails where CI is set: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _as_failure_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _as_failure_in_ci((yield))


def pytest_unconfigure(config):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        skipped = Counter(report.longrepr[2] for report in reporter.stats.get("skipped", ()))
        for reason, count in skipped.items():
            reporter.write_line(f"{count} not run: {reason.removeprefix('Skipped: ')}")
