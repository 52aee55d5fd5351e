"""Language models by themselves: every weight of the class by its name, as it is and as older files spell it."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from saccade.core.errors import SaccadeError
from saccade.weights.causal import INSIDE, counted, rename
from tests.architectures.flamingo.folders import LANGUAGES


def names(kind: str) -> set[str]:
    with torch.device("meta"):
        return set(AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **LANGUAGES[kind])).state_dict())


@pytest.mark.parametrize("kind", LANGUAGES)
def test_every_weight_has_its_name(kind):
    published = names(kind)
    assert rename(published, kind) == {f"language.model.{name}": name for name in published}
    assert not any(counted(name) for name in published)


@pytest.mark.parametrize("kind", LANGUAGES)
def test_older_files_leave_the_inner_name_out(kind):
    published = names(kind)
    older = {name.removeprefix(f"{INSIDE[kind]}.").replace("lm_head", "embed_out") for name in published}
    assert set(rename(older, kind)) == {f"language.model.{name}" for name in published}


def test_what_is_counted_is_dropped_and_biases_are_not():
    dropped = [
        "gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.masked_bias", "h.3.attn.masked_bias",
        "gpt_neox.layers.0.attention.rotary_emb.inv_freq", "model.layers.0.self_attn.rotary_emb.inv_freq",
    ]  # fmt: skip
    kept = ["gpt_neox.layers.0.attention.dense.bias", "gpt_neox.layers.0.attention.query_key_value.bias"]
    assert list(rename(dropped + kept, "gpt_neox").values()) == kept


def test_refuses_two_names_of_one_weight():
    with pytest.raises(SaccadeError, match=r"lm_head\.weight and embed_out\.weight are both the weight"):
        rename(["lm_head.weight", "embed_out.weight"], "gpt_neox")
