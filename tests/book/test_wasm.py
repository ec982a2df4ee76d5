"""The weekly question for wheels of WebAssembly, asked of an index made for it."""

import os
from zipfile import ZipFile

import pytest
from bookkit import wasm


def stand_in(wheels):
    """Answers as `wasm.version`, from ``{(package, python): version}``."""

    def ask(package, python, platforms):
        return wheels.get((package, python)) if platforms else "1.0"

    return ask


@pytest.mark.parametrize(
    ("wheels", "enough"),
    [
        ({}, False),
        ({("numpy", "3.14"): "2.5"}, False),
        ({("numpy", "3.14"): "2.5", ("scipy", "3.15"): "1.18"}, False),
        ({("numpy", "3.14"): "2.5", ("scipy", "3.14"): "1.18"}, True),
    ],
)
def test_both_are_needed_for_one_python(wheels, enough):
    lines, found = wasm.answer(stand_in(wheels), ("3.14", "3.15"))
    assert found == enough
    assert len(lines) == 4
    assert sum("has no wheel" in line for line in lines) == 4 - len(wheels)


def test_an_index_that_does_not_answer_is_no_answer():
    with pytest.raises(RuntimeError, match="did not answer for numpy"):
        wasm.answer(lambda package, python, platforms: None)


def test_exit_status_tells_when_both_exist(monkeypatch, capsys):
    monkeypatch.setattr(wasm, "answer", lambda: (["Python 3.14: numpy 2.5"], True))
    assert wasm.main() == 1
    assert "let dlm_core itself compute" in capsys.readouterr().out
    monkeypatch.setattr(wasm, "answer", lambda: (["Python 3.14: numpy has no wheel"], False))
    assert wasm.main() == 0


def write_wheel(folder, version, tag):
    name = f"numpy-{version}-{tag}.whl"
    with ZipFile(folder / name, "w") as wheel:
        of = f"numpy-{version}.dist-info"
        wheel.writestr(
            f"{of}/METADATA", f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n"
        )
        wheel.writestr(f"{of}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{of}/RECORD", "")
    return name


def test_pip_finds_the_wheels_of_an_index(tmp_path, monkeypatch):
    folder = tmp_path / "numpy"
    folder.mkdir()
    names = [
        write_wheel(folder, "2.5.0", "cp314-cp314-pyemscripten_2026_0_wasm32"),
        write_wheel(folder, "2.4.0", "cp314-cp314-pyemscripten_2026_0_wasm32"),
        write_wheel(folder, "2.6.0", "cp314-cp314-win_arm64"),
        "numpy-2.7.0.tar.gz",
    ]
    links = "".join(f'<a href="{name}">{name}</a>' for name in names)
    page = f"<!DOCTYPE html><html><body>{links}</body></html>"
    (folder / "index.html").write_text(page, encoding="utf-8")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", tmp_path.as_uri())
    assert wasm.version("numpy", "3.14", wasm.PLATFORMS) == "2.5.0"
    assert wasm.version("numpy", "3.13", wasm.PLATFORMS) is None
