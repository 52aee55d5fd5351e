"""Fields of the classes that users make hold what they say, or are refused in words."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest

from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import fits
from saccade.core.request import Ask, ImageRegion
from saccade.core.selection import TokenSelection
from saccade.policies.ladder import Ladder
from saccade.policies.single_look import SingleLook


@pytest.mark.parametrize(("value", "hint"), [
    (3, int), (np.int64(3), int), (3, float), (np.float32(0.5), float), ("a", str), (None, int | None),
    ("a", Literal["a", "b"]), ((1, 2), tuple[int, ...]), ((), tuple[int, ...]), ((0.1, 2), tuple[float, float]),
    (SingleLook(), SingleLook), ({}, Mapping[str, int]), (object(), Any),
])  # fmt: skip
def test_fits(value: object, hint: object) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(("value", "hint"), [
    (True, int), (3.0, int), ("3", int), (True, float), (float("nan"), float), (float("inf"), float), (10**400, float),
    (b"a", str), ("0", int | None), ("c", Literal["a", "b"]), (["a"], Literal["a", "b"]), ([1, 2], tuple[int, ...]),
    ((1, "2"), tuple[int, ...]), ((0.1,), tuple[float, float]), ([], Mapping[str, int]), (None, SingleLook),
])  # fmt: skip
def test_fits_not(value: object, hint: object) -> None:
    assert not fits(value, hint)


def test_the_field_and_what_it_takes_are_named() -> None:
    made: Any = object()
    with pytest.raises(SaccadeError, match=r"rule of TokenSelection is 'random' or 'uniform', got 'all' \(str\)"):
        _untyped(TokenSelection, rule="all", tokens=3)
    with pytest.raises(SaccadeError, match=r"levels of Ladder is a tuple of a Level, got \[\] \(list\)"):
        _untyped(Ladder, levels=[])
    with pytest.raises(SaccadeError, match=r"box of ImageRegion is a Box or None, got <object"):
        _untyped(ImageRegion, box=made)
    with pytest.raises(SaccadeError, match="an answer takes at least 1 token, got max_tokens 0"):
        Ask(question="?", max_tokens=0)
    with pytest.raises(SaccadeError, match="top is at least 0 alternatives, got -1"):
        Ask(question="?", top=-1)
    with pytest.raises(SaccadeError, match="a seed is at least 0, got -1"):
        TokenSelection(rule="random", tokens=1, seed=-1)


def _untyped(kind: type, **fields: Any) -> None:
    """Make ``kind`` as users do, whose annotations nobody checks."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    for name, field in kind.__dataclass_fields__.items():
        if name not in fields:
            object.__setattr__(made, name, field.default)
    made.__post_init__()
