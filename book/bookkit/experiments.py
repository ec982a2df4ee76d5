"""The experiments of a folder: notebooks with one cell of parameters, and profiles of these."""

import ast
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from bookkit.records import Refused, choices, plain_name
from bookkit.sources import digest_of, joined, measuring_cells, modules_read
from bookkit.sweeps import plain

PROFILES = ("paper", "gpu")  # besides "quick", which changes no parameter


@dataclass(frozen=True)
class Experiment:
    """A notebook with its parameters.

    Attributes
    ----------
    path : Path
        Of the notebook.
    cells : list of (type, tags, text)
    defaults : dict
        The parameters in the notebook.
    profiles : dict
        From the name of a profile to the parameters that it changes.
    """

    path: Path
    cells: list
    defaults: dict
    profiles: dict

    @property
    def title(self):
        lines = (
            line for kind, _, text in self.cells if kind == "markdown" for line in text.splitlines()
        )
        headings = (line.removeprefix("# ") for line in lines if line.startswith("# "))
        return next(headings, self.path.stem)

    @cached_property
    def measuring(self):
        return measuring_cells(self.cells, self.path.name)

    @property
    def source(self):
        """The digest of the measuring cells."""
        return digest_of(joined(self.measuring))

    @cached_property
    def modules(self):
        """The digests of the modules that the measuring cells read, by name."""
        return modules_read(self.measuring, self.path.parent)

    def parameters(self, profile, **changes):
        """All parameters under a profile, which may be unknown here, and further changes."""
        return self.defaults | self.profiles.get(profile, {}) | changes

    def typed(self, given, where):
        """Return ``given`` with each value in the type of its default."""
        typed = {}
        for name, value in given.items():
            if name not in self.defaults:
                raise Refused(
                    f"{where} names the unknown parameter {name!r}{choices(self.defaults)}"
                )
            default = self.defaults[name]
            try:
                typed[name] = plain(f"parameter {name!r}", _like(value, default))
            except TypeError:
                raise Refused(
                    f"{where}: parameter {name!r} must be of type {type(default).__name__} like "
                    f"its default {default!r}, got {value!r} of type {type(value).__name__}"
                ) from None
            except ValueError as error:
                raise Refused(f"{where}: {error}") from None
        return typed


def catalogue(folder):
    """All experiments of a folder by name, their profiles checked."""
    if not folder.is_dir():
        raise Refused(f"the experiments folder {folder} is not there")
    paths = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    for name in paths:
        plain_name(f"the name of {name}.ipynb", name)
    for name in _overrides(folder):
        if name not in paths:
            raise Refused(f"profiles.yml names the unknown experiment {name!r}{choices(paths)}")
    return {name: read(path) for name, path in paths.items()}


def read(path):
    """The experiment of a notebook."""
    cells = cells_of(path)
    experiment = Experiment(path, cells, _defaults(path, cells), {"quick": {}})
    for profile, changes in _overrides(path.parent).get(path.stem, {}).items():
        if profile not in PROFILES:
            raise Refused(
                f"profiles.yml names the unknown profile {profile!r} of {path.stem}"
                f"{choices(PROFILES)}"
            )
        where = f"profile {profile} of {path.stem}"
        experiment.profiles[profile] = experiment.typed(changes, where)
    return experiment


def _overrides(folder):
    """What profiles.yml says: experiment to profile to parameters."""
    path = folder / "profiles.yml"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        overrides = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{path.name} must be YAML: {error}") from None
    levels = [overrides, *overrides.values()] if isinstance(overrides, dict) else [overrides]
    levels += [
        changes for level in levels[1:] if isinstance(level, dict) for changes in level.values()
    ]
    for level in levels:
        if not isinstance(level, dict):
            raise Refused(
                f"{path.name} must map experiments to profiles to parameters, got {level!r}"
            )
    return overrides


def cells_of(path):
    """Cells of a notebook as (type, tags, text)."""
    try:
        return [
            (cell["cell_type"], cell["metadata"].get("tags", []), "".join(cell["source"]))
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        ]
    except (OSError, ValueError, TypeError, KeyError):
        raise Refused(f"{path.name} must be a notebook of nbformat 4") from None


def _defaults(path, cells):
    """Names and values in the cell tagged ``parameters``."""
    texts = [text for _, tags, text in cells if "parameters" in tags]
    if len(texts) != 1:
        raise Refused(f"{path.name} must have one cell tagged 'parameters', got {len(texts)}")
    rule = (
        f"the parameters of {path.name} must be lines `name = literal` with a finite number, "
        "string, boolean or list, got"
    )
    try:
        statements = ast.parse(texts[0]).body
    except SyntaxError as error:
        raise Refused(f"{rule} what is not Python: {error}") from None
    defaults = {}
    for statement in statements:
        try:
            (target,) = statement.targets
            value = ast.literal_eval(statement.value)
            defaults[target.id] = plain(target.id, value)
        except (AttributeError, TypeError, ValueError):
            raise Refused(f"{rule} `{ast.unparse(statement)}`") from None
    return defaults


def _like(value, default):
    """Return ``value`` in the type of ``default``; an int may stand for a float."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise TypeError
    if isinstance(value, list) and default:
        return [_like(entry, default[0]) for entry in value]
    return value
