"""A cache that grows in place holds what one that copies holds."""

import torch
from transformers import Qwen3Config
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from saccade.language.cache import SPARE, RoomyLayer, roomy


def states(length: int, rows: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, 2, length, 4), torch.randn(rows, 2, length, 6)


def same(ours: DynamicLayer, theirs: DynamicLayer) -> None:
    for mine, other in ((ours.keys, theirs.keys), (ours.values, theirs.values)):
        assert mine is not None
        assert other is not None
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


@torch.no_grad()
def test_growing_and_choosing_rows_is_what_copying_gives():
    ours, theirs = RoomyLayer(), DynamicLayer()
    for length in (5, 1, SPARE - 1, 1, 2 * SPARE):
        new = states(length)
        found, expected = ours.update(*new), theirs.update(*new)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    rows = torch.tensor([2, 0, 0, 1])
    for layer in (ours, theirs):
        layer.batch_select_indices(rows)
    same(ours, theirs)
    new = states(3, rows=4)
    for layer in (ours, theirs):
        layer.update(*new)
    same(ours, theirs)
    assert ours.get_seq_length() == theirs.get_seq_length()


@torch.no_grad()
def test_within_its_room_nothing_moves():
    layer = RoomyLayer()
    first, _ = layer.update(*states(5))
    then, _ = layer.update(*states(SPARE))
    assert then.data_ptr() == first.data_ptr()
    later, _ = layer.update(*states(1))
    assert later.data_ptr() != first.data_ptr()


@torch.no_grad()
def test_what_was_put_in_from_outside_stays():
    for change in (
        lambda held: held.flip(2),
        lambda held: held[:, :, :-2],
        lambda held: held[:2],
        lambda held: held[:, :, 1:],
    ):
        ours, theirs = RoomyLayer(), DynamicLayer()
        new = states(6)
        for layer in (ours, theirs):
            keys, values = layer.update(*new)
            layer.keys, layer.values = change(keys), change(values)
        assert theirs.keys is not None
        more = states(2, rows=len(theirs.keys))
        for layer in (ours, theirs):
            layer.update(*more)
        same(ours, theirs)


def test_gradients_flow_to_what_was_cached():
    layer, (keys, values) = RoomyLayer(), states(4)
    keys.requires_grad_()
    layer.update(keys, values)
    found, _ = layer.update(*states(1))
    found.sum().backward()
    assert keys.grad is not None
    torch.testing.assert_close(keys.grad, torch.ones_like(keys))


def test_layers_of_another_kind_stay_as_they_are():
    config = Qwen3Config(
        num_hidden_layers=2,
        layer_types=["sliding_attention", "full_attention"],
        sliding_window=4,
        use_sliding_window=True,
    )
    assert [type(layer) for layer in roomy(config).layers] == [DynamicSlidingWindowLayer, RoomyLayer]
