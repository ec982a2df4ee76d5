"""Ask the package index whether numpy and scipy have wheels for WebAssembly: ``python wasm.py``.

Until both do, dlm_core cannot run in a page, and the Explorer computes with a port. When both do,
the question is answered, and the exit status is 1, so that the weekly run is seen.
"""

import json
import subprocess
import sys

__all__ = ["PLATFORMS", "answer", "main", "version"]

PACKAGES = ("numpy", "scipy")
# The tags of the years that a wheel may carry; Emscripten's own are named by the year of its ABI.
YEARS = range(2025, 2031)
PLATFORMS = [f"{kind}_{year}_0_wasm32" for kind in ("pyodide", "pyemscripten") for year in YEARS]
PYTHONS = ("3.13", "3.14", "3.15")


def version(package, python, platforms):
    """The newest version that has a wheel for one of the platforms, as pip finds it.

    Parameters
    ----------
    package : str
    python : str
        Such as ``"3.14"``.
    platforms : sequence of str
        Tags; none for the machine and the Python that run here.

    Returns
    -------
    str or None
    """
    command = [sys.executable, "-m", "pip", "install", package, "--dry-run", "--quiet"]
    command += ["--report=-", "--no-deps", "--ignore-installed", "--only-binary=:all:"]
    command += ["--disable-pip-version-check"]
    if platforms:
        command += [f"--platform={platform}" for platform in platforms]
        command += [f"--python-version={python}", "--implementation=cp", "--target=unused"]
        command += [f"--abi=cp{python.replace('.', '')}", "--abi=abi3"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        return None
    return json.loads(found.stdout)["install"][0]["metadata"]["version"]


def answer(ask=version, pythons=PYTHONS):
    """What there is for each version of Python, in sentences, and whether it is enough.

    Parameters
    ----------
    ask : callable
        In the place of `version`.
    pythons : sequence of str

    Returns
    -------
    lines : list of str
    enough : bool
        Whether both packages have a wheel for one version of Python.

    Raises
    ------
    RuntimeError
        If the index has no wheel of a package for this machine either, and so did not answer.
    """
    for package in PACKAGES:
        if not ask(package, "", ()):
            raise RuntimeError(f"the package index did not answer for {package}")
    lines, enough = [], False
    for python in pythons:
        found = {package: ask(package, python, PLATFORMS) for package in PACKAGES}
        enough |= all(found.values())
        lines += [
            f"Python {python}: {package} {number or 'has no wheel'}"
            for package, number in found.items()
        ]
    return lines, enough


def main():
    """Print the answer; the exit status is 1 when both packages have wheels."""
    lines, enough = answer()
    print("Wheels for WebAssembly", *lines, sep="\n")
    if enough:
        print("numpy and scipy have both: let dlm_core itself compute in the Explorer.")
    return int(enough)


if __name__ == "__main__":
    sys.exit(main())
