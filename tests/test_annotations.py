"""Every public signature is annotated in full."""

import inspect
from functools import cached_property

import pytest

import dlm_core
from dlm_core import (
    adapters,
    error,
    estimation,
    information,
    learning,
    orders,
    planning,
    predictor,
    sampler,
    schedules,
    targets,
)
from dlm_core.adapters import diffusers, transformers

ROOMS = [
    adapters,
    diffusers,
    error,
    estimation,
    information,
    learning,
    orders,
    planning,
    predictor,
    sampler,
    schedules,
    targets,
    transformers,
]


def public_functions():
    for name, value in [(name, getattr(room, name)) for room in ROOMS for name in room.__all__]:
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for attribute, member in vars(value).items():
                function = inspect.unwrap(getattr(member, "__func__", member))
                if isinstance(member, property):
                    function = member.fget
                elif isinstance(member, cached_property):
                    function = member.func
                public = attribute == "__init__" or not attribute.startswith("_")
                if public and inspect.isfunction(function):
                    yield f"{name}.{attribute}", function


@pytest.mark.parametrize(("name", "function"), list(public_functions()))
def test_signature_is_annotated(name, function):
    signature = inspect.signature(function)
    bare = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    if signature.return_annotation is signature.empty and not name.endswith("__init__"):
        bare.append("the return value")
    assert not bare


def test_the_rooms_hold_every_public_name():
    rooms = {name for room in ROOMS for name in room.__all__}
    assert {*dlm_core.__all__} - {"__version__"} <= rooms
