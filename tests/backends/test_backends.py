import inspect

import pytest

from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError


def functions(name):
    module = get_backend(name)
    return {
        f: list(inspect.signature(function).parameters)
        for f, function in inspect.getmembers(module, inspect.isfunction)
        if not f.startswith("_") and function.__module__.startswith("manualnst.backends")
    }


@pytest.mark.parametrize("name", NAMES)
def test_all_backends_have_the_functions_of_the_oracle(name):
    assert functions(name) | functions("naive") == functions(name)
    more = {f for f in functions(name).keys() - functions("naive") if f.endswith("ward")}
    assert more <= {"fused_forward", "fused_backward"}


def test_an_unknown_backend_is_refused():
    with pytest.raises(InputError, match="'abacus'.*numpy, naive"):
        get_backend("abacus")
