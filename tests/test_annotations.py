"""Every public signature is annotated in full."""

import inspect
from functools import cached_property

import pytest

import dlm_core


def public_functions():
    for name in dlm_core.__all__:
        value = getattr(dlm_core, name)
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
