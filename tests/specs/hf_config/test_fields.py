import pytest

from saccade.core.errors import SaccadeError
from saccade.specs.hf_config.fields import Fields


def test_a_default_speaks_where_the_file_is_silent_or_says_null():
    fields = Fields({"a": 3, "b": None}, defaults={"a": 1, "b": 2, "c": 4})
    assert [fields.number(name) for name in "abc"] == [3, 2, 4]


def test_what_was_read_is_known_by_its_place():
    fields = Fields({"inner": {"x": 1, "y": 2}, "z": 3})
    fields.sub("inner").number("x")
    assert fields.read == {"config.inner.x"}
    fields.like({}).number("z")
    assert fields.read == {"config.inner.x", "config.z"}


def test_sides_are_numbers_or_equal_lists():
    assert Fields({"side": [448, 448]}).side("side") == 448
    assert Fields({"side": 14}).side("side") == 14
    with pytest.raises(SaccadeError, match="needs a square 'side'"):
        Fields({"side": [448, 224]}).side("side")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fields: fields.number("gone"), "needs a whole number 'gone', got None"),
        (lambda fields: fields.number("yes"), "needs a whole number 'yes', got True"),
        (lambda fields: fields.positive("zero"), "'zero' of at least 1, got 0"),
        (lambda fields: fields.real("text"), "needs a number 'text'"),
        (lambda fields: fields.flag("text"), "needs true or false for 'text'"),
        (lambda fields: fields.text("zero"), "needs a text 'zero'"),
        (lambda fields: fields.items("zero"), "needs a list 'zero'"),
        (lambda fields: fields.numbers("words"), "needs whole numbers in 'words'"),
        (lambda fields: fields.sub("text"), "needs an object 'text'"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(call, said: str):
    fields = Fields({"yes": True, "zero": 0, "text": "word", "words": ["a"]}, "config.deep")
    with pytest.raises(SaccadeError, match=f"config.deep needs.*{said}|{said}"):
        call(fields)
