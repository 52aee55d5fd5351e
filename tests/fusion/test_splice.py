import pytest
import torch

from saccade.core.errors import SaccadeError
from saccade.fusion.splice import splice

PLACES = torch.tensor([[False, True, True], [True, False, False]])


def test_tokens_take_their_places_in_reading_order():
    text, visual = torch.randn(2, 3, 4), torch.randn(3, 4)
    fused = splice(text, visual, PLACES)
    waiting = iter(visual)
    for row in range(2):
        for place in range(3):
            expected = next(waiting) if PLACES[row, place] else text[row, place]
            assert fused[row, place].equal(expected)
    assert fused.data_ptr() != text.data_ptr()


def test_gradients_reach_both():
    text, visual = torch.randn(2, 3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    splice(text, visual, PLACES).sum().backward()
    assert visual.grad is not None
    assert text.grad is not None
    assert visual.grad.equal(torch.ones(3, 4))
    assert text.grad.equal((~PLACES)[..., None].expand(-1, -1, 4).float())


def test_no_picture_changes_nothing():
    text = torch.randn(2, 3, 4)
    assert splice(text, torch.empty(0, 4), torch.zeros(2, 3, dtype=torch.bool)).equal(text)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_refuses_surplus_and_shortage(count):
    with pytest.raises(SaccadeError, match=f"hold 3 image slots but {count} visual tokens arrived"):
        splice(torch.randn(2, 3, 4), torch.randn(count, 4), PLACES)
