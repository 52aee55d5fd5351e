"""Names of the three published resamplers against their classes, OpenFlamingo's against its released files' names."""

from dataclasses import replace

import pytest
import torch

from saccade.connectors.latents import Latents
from saccade.core.errors import SaccadeError
from saccade.weights.latents import idefics, idefics2, open_flamingo
from tests.resamplers import FLAMINGO, IDEFICS, IDEFICS2, ours_of, published_flamingo, their_idefics, their_idefics2


def published(name):
    """Full names as in a checkpoint, the resampler's among others."""
    if name == "open_flamingo":
        return [*published_flamingo(FLAMINGO), "lang_encoder.wte.weight", "lang_encoder.perceiver.latents"]
    if name == "idefics":
        return [*(f"model.perceiver_resampler.{one}" for one in their_idefics(IDEFICS).state_dict()), "lm_head.weight"]
    return [*(f"model.connector.{one}" for one in their_idefics2(IDEFICS2).state_dict()), "model.norm.weight"]


LAYOUTS = {
    "open_flamingo": (open_flamingo, FLAMINGO),
    "idefics": (idefics, IDEFICS),
    "idefics2": (idefics2, IDEFICS2),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_weight_of_the_layout_has_its_place_and_every_place_its_weight(name):
    rename, spec = LAYOUTS[name]
    made = rename(published(name), spec)
    assert set(made) == set(Latents(spec).state_dict())
    theirs = [one for names in made.values() for one in ((names,) if isinstance(names, str) else names)]
    rest = {"lang_encoder.wte.weight", "lang_encoder.perceiver.latents", "lm_head.weight", "model.norm.weight"}
    assert sorted(theirs) == sorted(set(published(name)) - rest)


@pytest.mark.parametrize("qk_norm", [False, True])
def test_only_keys_and_values_are_joined(qk_norm):
    spec = replace(IDEFICS, qk_norm=qk_norm)
    theirs = their_idefics(spec)
    state, part = theirs.state_dict(), ours_of(theirs, spec)
    made = idefics(state, spec, "")
    assert {ours for ours, names in made.items() if not isinstance(names, str)} == {
        f"layers.{number}.to_kv.weight" for number in range(spec.depth)
    }
    key, value = part.state_dict()["layers.1.to_kv.weight"].chunk(2)
    assert torch.equal(key, state["blocks.1.0.k_proj.weight"])
    assert torch.equal(value, state["blocks.1.0.v_proj.weight"])
    assert all(isinstance(names, str) for names in open_flamingo(published("open_flamingo"), FLAMINGO).values())


def test_idefics2_s_latents_alone():
    spec = replace(IDEFICS2, width_in=12, front=0)
    names = [name for name in published("idefics2") if "modality" not in name]
    assert set(idefics2(names, spec)) == set(Latents(spec).state_dict())


def test_a_prefix_is_where_the_names_begin():
    names = [f"net.{name}" for name in published_flamingo(FLAMINGO)]
    assert open_flamingo(names, FLAMINGO, "net.perceiver.")["frames"] == "net.perceiver.frame_embs"


@pytest.mark.parametrize("name", LAYOUTS)
def test_refuses_left_over_and_missing_weights(name):
    rename, spec = LAYOUTS[name]
    names = [one for one in published(name) if not one.startswith(("lm_head", "model.norm", "lang_encoder"))]
    prefix = {"open_flamingo": "perceiver.", "idefics": "model.perceiver_resampler.", "idefics2": "model.connector."}
    with pytest.raises(SaccadeError, match=rf"has left-over 1 of {len(names)} weights: {prefix[name]}bias; the config"):
        rename([*names, f"{prefix[name]}bias"], spec)
    for missing in range(0, len(names), 5):
        with pytest.raises(SaccadeError, match=rf"lacks 1 of {len(names)} weights: {names[missing]}; the config"):
            rename([*names[:missing], *names[missing + 1 :]], spec)
    with pytest.raises(SaccadeError, match=r"lacks .* and \d+ more; the config"):
        rename(names, replace(spec, depth=5))


def test_refuses_half_a_pair_and_tables_that_the_spec_lacks():
    names = [name for name in published("idefics") if "blocks.2.0.v_proj" not in name]
    with pytest.raises(SaccadeError, match=r"lacks 1 of 51 weights: model\.perceiver_resampler\.blocks\.2\.0\.v_proj"):
        idefics(names, IDEFICS)
    with pytest.raises(SaccadeError, match=r"left-over 2 of 36 weights: perceiver\.frame_embs, perceiver\.media_time"):
        open_flamingo(published("open_flamingo"), replace(FLAMINGO, frames=0, pictures=0))
