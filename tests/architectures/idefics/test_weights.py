"""IDEFICS' names: each weight of the class is part of one of ours, once, and of the right size."""

from dataclasses import replace
from typing import Any

import pytest

from saccade.architectures.idefics.weights import rename
from saccade.backends.store import load
from saccade.core.errors import SaccadeError
from tests.architectures.idefics.folders import checkpoint

CASES: dict[str, dict[str, Any]] = {
    "all": {"alpha_type": "vector"},
    "least": {
        "use_resampler": False, "qk_layer_norms": False, "additional_vocab_size": 0, "tie_word_embeddings": True
    },
}  # fmt: skip


@pytest.mark.parametrize("options", CASES.values(), ids=list(CASES))
def test_every_weight_is_part_of_one_of_ours(tmp_path, options):
    model, _ = checkpoint(tmp_path, **options)
    reader = load(tmp_path)
    tied = reader.spec.language.tied
    theirs = {name: weight for name, weight in model.state_dict().items() if not (tied and "lm_head" in name)}
    made = rename(theirs, reader.spec)
    parts = {ours: (names,) if isinstance(names, str) else names for ours, names in made.items()}
    used = [name for names in parts.values() for name in names]
    assert len(used) == len(set(used))
    above = "model.vision_model.post_layernorm"
    assert set(theirs) - set(used) == {f"{above}.weight", f"{above}.bias"}
    for ours, names in parts.items():
        assert reader.get_parameter(ours).numel() == sum(theirs[name].numel() for name in names)


def test_refuses_what_this_idefics_lacks_or_does_not_have(tmp_path):
    model, _ = checkpoint(tmp_path)
    spec, names = load(tmp_path).spec, set(model.state_dict())
    assert spec.cross is not None
    with pytest.raises(SaccadeError, match=r"lack 1 names of this IDEFICS: .*1\.alpha_dense"):
        rename(names - {"model.gated_cross_attn_layers.1.alpha_dense"}, spec)
    with pytest.raises(SaccadeError, match=r"have left-over 4 names of this IDEFICS: .*k_layer_norm"):
        rename(names, replace(spec, cross=replace(spec.cross, qk_norm=False)))
    with pytest.raises(SaccadeError, match="lack 1 names of this IDEFICS: lm_head"):
        rename(names - {"lm_head.weight"}, spec)
