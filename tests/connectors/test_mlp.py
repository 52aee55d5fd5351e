import pytest
import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from saccade.connectors.mlp import Mlp
from saccade.core.grid import Grid
from saccade.specs.connectors.mlp import MlpSpec
from tests.parts import close, counted

SPEC = MlpSpec(width_in=6, width_out=8)


@pytest.mark.parametrize("extra", [0, 1])
def test_parity_with_llava(extra):
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(hidden_size=6, num_attention_heads=2),
        text_config=LlamaConfig(hidden_size=8, num_attention_heads=2),
    )
    theirs, ours = LlavaMultiModalProjector(config), Mlp(MlpSpec(width_in=6, width_out=8, extra=extra))
    ours.project.load_state_dict(theirs.state_dict())
    patches = 3 * torch.randn(2, 12 + extra, 6)
    close(ours(patches, Grid(3, 4)), theirs(patches))


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(3, 4)], ids=str)
def test_cost_is_what_torch_counts(grid):
    assert SPEC.cost(grid) == counted(lambda: Mlp(SPEC), lambda part: part(torch.empty(1, grid.tokens, 6), grid))


def test_one_token_a_patch_and_one_for_each_beside():
    assert SPEC.tokens(Grid(3, 4)) == 12
    assert MlpSpec(width_in=6, width_out=8, extra=1).tokens(Grid(3, 4)) == 13
    assert [group.tolist() for group in SPEC.groups(Grid(1, 3))] == [[0], [1], [2]]
