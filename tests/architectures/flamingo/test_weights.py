"""OpenFlamingo's names: sorted by what they are of, whichever language model stands around them."""

import pytest

from saccade.architectures.flamingo.weights import LAYERS, TABLES, held
from saccade.core.errors import SaccadeError

SHAPES = {
    "perceiver.latents": (5, 16),
    "perceiver.layers.0.0.to_q.weight": (8, 16),
    "perceiver.layers.1.1.0.bias": (16,),
}


def names(kind: str, *numbers: int) -> dict[str, tuple[int, ...]]:
    blocks = {f"lang_encoder.{LAYERS[kind]}.{number}.gated_cross_attn_layer.attn_gate": (1,) for number in numbers}
    return {**SHAPES, **blocks, f"lang_encoder.{TABLES[kind]}.weight": (30, 16)}


@pytest.mark.parametrize("kind", LAYERS)
def test_sorts_them(kind):
    found = held({**names(kind, 3, 1), "module.lang_encoder.lm_head.weight": (30, 16)}, kind)
    assert found.every == 2
    assert found.table == found.head == (30, 16)
    assert found.resampler == (5, 16, 2, 0)
    assert sorted(found.blocks) == [1, 3]
    assert set(found.language) == {f"{TABLES[kind]}.weight", "lm_head.weight"}
    assert held(names(kind, 0, 1, 2), kind).head is None


@pytest.mark.parametrize(("numbers", "every"), [((0, 1, 2), 1), ((3, 7), 4), ((2, 5, 8), 3), ((5,), 6)])
def test_the_blocks_say_how_often_they_stand(numbers, every):
    assert held(names("mpt", *numbers), "mpt").every == every


@pytest.mark.parametrize("numbers", [(), (1, 2), (3, 5)])
def test_refuses_blocks_at_odd_places(numbers):
    with pytest.raises(SaccadeError, match=r"gated blocks before layers .*, expected the last of every n layers"):
        _ = held(names("mpt", *numbers), "mpt").every


def test_refuses_names_of_another_system():
    with pytest.raises(
        SaccadeError, match=r"2 weights have names that no OpenFlamingo .* 'opt' has: adapter, lang_enc"
    ):
        held({**names("opt", 1), "adapter": (1,), "lang_encoder.h.0.gated_cross_attn_layer.x": (1,)}, "opt")
