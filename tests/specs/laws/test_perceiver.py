"""Counts of Perceivers worked out by hand, those of the published ones, and what specs refuse."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import transformers
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import PerceiverConfig, masking_utils

from saccade.architectures import FAMILIES
from saccade.architectures.catalogue import system
from saccade.architectures.perceiver.autoencode_spec import AutoencodeSpec
from saccade.architectures.perceiver.checkpoint import MODELS, Published
from saccade.architectures.perceiver.inputs import build_input
from saccade.architectures.perceiver.inputs_spec import (
    FourierSpec,
    MixedInputSpec,
    PatchInputSpec,
    SoundInputSpec,
    StemInputSpec,
)
from saccade.architectures.perceiver.io_spec import MaskedSpec, OpticalFlowSpec, PerceiverIOSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.size import Size
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec
from saccade.specs.planner.system import ModelSpec
from tests.parts import counted

BIG = {
    "num_latents": 512, "d_latents": 1024, "num_blocks": 8, "num_self_attends_per_block": 6, "d_model": 261,
    "num_self_attention_heads": 8, "num_cross_attention_heads": 1, "num_labels": 1000,
}  # fmt: skip
ONE = {"num_blocks": 1, "num_cross_attention_heads": 1, "self_attention_widening_factor": 1}
CONFIGS = {
    "ImageClassificationFourier": BIG,
    "ImageClassificationLearned": BIG | {"d_model": 512, "image_size": 224},
    "ImageClassificationConvProcessing": BIG | {"d_model": 322},
    "MaskedLM": {
        "num_latents": 256, "d_latents": 1280, "d_model": 768, "num_self_attends_per_block": 26, "qk_channels": 256,
        "v_channels": 1280, "num_self_attention_heads": 8, "num_cross_attention_heads": 8, "num_blocks": 1,
    },
    "OpticalFlow": ONE | {
        "num_latents": 2048, "d_latents": 512, "d_model": 322, "num_self_attends_per_block": 24,
        "num_self_attention_heads": 16,
    },
    "MultimodalAutoencoding": ONE | {
        "num_latents": 784, "d_latents": 512, "d_model": 704, "num_self_attends_per_block": 8,
        "num_self_attention_heads": 8, "num_labels": 700,
    },
}  # fmt: skip
"""Those of the released checkpoints."""
MILLIONS = {
    "ImageClassificationFourier": 48.44,
    "ImageClassificationLearned": 62.26,
    "ImageClassificationConvProcessing": 48.65,
    "MaskedLM": 201.11,
    "OpticalFlow": 41.06,
    "MultimodalAutoencoding": 19.86,
}


@cache
def published(kind: str, semantics: str = "authors", *, plain: bool = False) -> torch.nn.Module:
    """Built without memory for its weights; ``plain`` without folding."""
    config = PerceiverConfig(**CONFIGS[kind])
    with torch.device("meta"):
        given = Published(config, semantics, folder=Path("nowhere"))
        model, _ = MODELS[f"PerceiverFor{kind}"](given)
    for module in model.modules():
        if plain and isinstance(getattr(module, "spec", None), AttendSpec):
            module.spec = replace(module.spec, lean=False)
    return model.eval()


def weights(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def counted_by_torch(model: torch.nn.Module, *inputs: torch.Tensor) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize("kind", CONFIGS)
def test_weights_are_those_of_the_published_models(kind):
    model = published(kind)
    assert weights(model) / 1e6 == pytest.approx(MILLIONS[kind], abs=0.005)
    spec = model.spec
    told = (
        spec.cost(Grid(4, 4)) if isinstance(spec, PerceiverIOSpec) else spec.cost(*([9] * isinstance(spec, MaskedSpec)))
    )
    assert told.params == weights(model)


@pytest.mark.parametrize(("kind", "billions"), [
    ("ImageClassificationFourier", 406), ("ImageClassificationConvProcessing", 369),
])  # fmt: skip
def test_flops_are_those_of_the_paper(kind, billions):
    """406.1 and 369.4 as the authors ran them.

    Folding takes away 13.5 for the pixels, 1.1 for what the stem makes of them, and 2.1 for the one query.
    """
    whole = {}
    for plain in (True, False):
        model = published(kind, plain=plain)
        whole[plain] = counted_by_torch(model, torch.empty(1, 3, 224, 224, device="meta"))
        spec = model.spec
        grid = spec.inputs.grid(224, 224)
        if not plain:
            assert spec.cost(grid).flops == whole[plain]
    assert whole[True] / 1e9 == pytest.approx(billions, abs=0.5)
    saved = {"ImageClassificationFourier": 15.68, "ImageClassificationConvProcessing": 3.23}[kind]
    assert (whole[True] - whole[False]) / 1e9 == pytest.approx(saved, abs=0.05)


def test_the_latent_stack_is_most_of_it():
    spec = published("ImageClassificationFourier").spec
    stack = 48 * spec.encoder.layer.cost(512).flops
    plain = replace(spec, encoder=replace(spec.encoder, read=replace(spec.encoder.read, lean=False)))
    assert stack / plain.cost(Grid(224, 224)).flops == pytest.approx(0.89, abs=0.005)


def test_reading_before_every_block_costs_what_the_first_paper_says():
    """Eight reads: 707 GF, 303 more than one; 404 and not 406 since nothing is decoded."""
    encoder = published("ImageClassificationFourier").spec.encoder
    once = replace(encoder, read=replace(encoder.read, lean=False))
    first = replace(once, every=1, share_reads="all_but_first")
    assert (first.cost(50_176).flops - once.cost(50_176).flops) / 1e9 == pytest.approx(303, abs=1)
    assert first.cost(50_176).flops / 1e9 == pytest.approx(707, abs=1)
    assert first.cost(50_176).params - once.cost(50_176).params == once.read.cost(1, 1).params


def test_inputs_and_outputs_of_the_clip_model():
    spec = published("MultimodalAutoencoding").spec
    assert isinstance(spec, AutoencodeSpec)
    assert (spec.tokens, sum(spec.outputs), spec.inputs.width, spec.width) == (52_097, 804_737, 704, 1026)
    assert (spec.inputs.widths, spec.widths) == ((401, 243, 700), (385, 195, 1024))


def test_rule_of_folding():
    """With many inputs: where heads × queries × source is less than (source + queries) × inner."""
    for heads, queries, source, inner in ((1, 512, 261, 261), (8, 512, 261, 264), (8, 4, 16, 32), (2, 3, 64, 8)):
        spec = AttendSpec(width=8, source=source, heads=heads, qk=inner)
        assert spec.folds(queries, 10**9) == (heads * queries * source < (source + queries) * inner)
        assert not replace(spec, lean=False).folds(queries, 10**9)
    assert AttendSpec(width=8, source=261, qk=261).folds(512, 50_176)
    assert not AttendSpec(width=8, source=261, qk=261).folds(512, 3)
    assert not AttendSpec(width=8, heads=1).folds(1, 10**9)


FOURIER = FourierSpec(bands=3, resolution=(8, 8))
CLIP = FourierSpec(bands=2, resolution=(4, 8, 8))
SOUND = SoundInputSpec(places=FourierSpec(bands=2, resolution=(9,)), samples=3)


@pytest.mark.parametrize("spec", [StemInputSpec(places=FOURIER, features=5), StemInputSpec(places=FOURIER, same=False)])
@pytest.mark.parametrize("side", [12, 32])
def test_cost_of_a_stem_is_what_torch_counts(spec, side):
    grid = spec.grid(side, side + 4)
    found = counted(lambda: build_input(spec), lambda part: part(torch.empty(1, 3, side, side + 4)))
    assert spec.cost(grid) == found


def test_cost_of_patches_is_what_torch_counts():
    for features in (0, 5):
        spec = PatchInputSpec(places=CLIP, side=2, frames=2, features=features)
        grid = Grid(2 * 3, 4)
        made = counted(lambda spec=spec: build_input(spec), lambda part: part(torch.empty(1, 4, 3, 6, 8)))
        assert spec.cost(grid) == made
        mixed = MixedInputSpec(sound=SOUND, image=spec, label=7)
        clip = {"sound": torch.empty(1, 9, device="meta"), "image": torch.empty(1, 4, 3, 6, 8, device="meta")}
        made = counted(lambda mixed=mixed: build_input(mixed), lambda part, clip=clip: part(clip))
        assert mixed.cost(grid) == made


def test_a_block_of_pixels_is_told_as_the_released_code_does():
    """Frame, row, column, colour."""
    part, clip = build_input(PatchInputSpec(places=CLIP, side=2, frames=2)), torch.randn(1, 4, 3, 4, 6)
    found = part(clip)[0, :, :24].unflatten(0, (2, 2, 3))
    for step, row, col in ((0, 0, 0), (1, 1, 2), (0, 1, 1)):
        block = clip[0, 2 * step : 2 * step + 2, :, 2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        assert found[step, row, col].equal(block.permute(0, 2, 3, 1).flatten())


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_tokens_are_hidden_by_chance(chance):
    spec = MixedInputSpec(sound=SOUND, image=PatchInputSpec(places=CLIP), label=7, hidden=(chance, 0.0, 0.0))
    part = build_input(spec)
    clip = {"sound": torch.randn(2, 300), "image": torch.randn(2, 1, 3, 4, 4), "label": torch.randn(2, 7)}
    drawn = [part(clip, generator=torch.Generator().manual_seed(4)) for _ in range(2)]
    assert drawn[0].equal(drawn[1])
    hidden = (drawn[0][:, :100] == part.mask["sound"]).all(-1)
    assert float(hidden.float().mean()) == pytest.approx(chance, abs=0.1)
    assert drawn[0][~F.pad(hidden, (0, 17))][:, :3].abs().sum() > 0
    assert drawn[0][:, -1, :7].equal(clip["label"])
    with pytest.raises(SaccadeError, match="which a label that is always hidden may be left out, got image, sound"):
        part({"sound": clip["sound"], "image": clip["image"]})


READ, LAYER = AttendSpec(width=8, source=6), AttendSpec(width=8)
CORE = PerceiverSpec(latents=3, read=READ, layer=LAYER)
HEAD = DecodeSpec(latents=3, block=AttendSpec(width=8, source=8), out=5)
PATCHES = PatchInputSpec(places=FOURIER, channels=27, frames=2)
FAULTS = {
    "no heads": (lambda: AttendSpec(width=8, heads=0), "heads is 1 or more, got 0"),
    "uneven heads": (lambda: AttendSpec(width=8, heads=3), "3 heads cannot share 8 channels of qk .* set qk to 9"),
    "uneven values": (lambda: AttendSpec(width=8, heads=2, v=5), "cannot share 5 channels of v .* set v to 6"),
    "no latents": (lambda: replace(CORE, latents=0), "are 1 or more, got 0, 1, 6 and None"),
    "every none": (lambda: replace(CORE, every=0), "are 1 or more, got 3, 1, 6 and 0"),
    "no source": (lambda: replace(CORE, read=LAYER), "got source None in read and None in layer"),
    "thinking elsewhere": (lambda: replace(CORE, layer=READ), "got source 6 in read and 6 in layer"),
    "two widths": (lambda: replace(CORE, layer=AttendSpec(width=9)), "latents of 8 channels read, of 9 think"),
    "no answers": (lambda: replace(HEAD, queries=-1), "got 3, -1 and 5"),
    "answers of themselves": (lambda: replace(HEAD, block=LAYER), "give the decoder's block their channels as source"),
    "no bands": (lambda: FourierSpec(bands=0, resolution=(3,)), r"got 0 over \(3,\)"),
    "one axis": (lambda: PatchInputSpec(places=SOUND.places), "have 2 or 3 axes, the places have 1"),
    "no patch": (lambda: PatchInputSpec(places=FOURIER, side=0), "got 0, 1, 3 and 0"),
    "two blocks of frames": (lambda: PATCHES.shape(4, 8, 8), "2 frames are one block, got 4; give 2"),
    "a small picture": (lambda: StemInputSpec(same=False).grid(4, 9), "needs 5 pixels a side, got 4×9; set same"),
    "probabilities": (lambda: MixedInputSpec(sound=SOUND, image=PATCHES, hidden=(0, 2, 0)), r"4 and \(0, 2, 0\)"),
    "other inputs": (lambda: PerceiverIOSpec(inputs=PATCHES, encoder=CORE, decoder=HEAD), "68 channels, .* read 6"),
    "other latents": (
        lambda: PerceiverIOSpec(
            inputs=StemInputSpec(places=FOURIER, features=1),
            encoder=replace(CORE, read=replace(READ, source=15)),
            decoder=replace(HEAD, latents=4),
        ),
        "3 latents of 8 channels, the decoder reads 4 of 8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_refuses_what_cannot_be(fault):
    make, message = FAULTS[fault]
    with pytest.raises(SaccadeError, match=message):
        make()


def test_tasks_refuse_other_inputs():
    flow, masked = published("OpticalFlow").spec, published("MaskedLM").spec
    assert isinstance(flow, OpticalFlowSpec)
    assert isinstance(masked, MaskedSpec)
    with pytest.raises(SaccadeError, match="masked language reads ids, got PatchInputSpec"):
        MaskedSpec(io=flow.io)
    with pytest.raises(SaccadeError, match="autoencoding reads a MixedInputSpec, got ByteInputSpec"):
        AutoencodeSpec(io=masked.io, image=CLIP, sound=SOUND.places)
    with pytest.raises(SaccadeError, match="flow reads patches whose channels are 3² pixels"):
        OpticalFlowSpec(io=masked.io)
    with pytest.raises(SaccadeError, match="asks with its inputs of 322 channels, got 1 learned queries of 322"):
        OpticalFlowSpec(io=replace(flow.io, decoder=replace(flow.io.decoder, queries=1)))


def test_cost_of_masked_bytes_flow_and_clips_is_what_torch_counts():
    masked, flow = published("MaskedLM"), published("OpticalFlow")
    ids = torch.zeros(1, 2048, dtype=torch.long, device="meta")
    assert masked.spec.cost(2048).flops == counted_by_torch(masked, ids)
    assert flow.spec.cost().flops == counted_by_torch(flow, torch.empty(1, 2, 27, 368, 496, device="meta"))
    model = published("MultimodalAutoencoding")
    clip = {"sound": torch.empty(1, 30_720, device="meta"), "image": torch.empty(1, 16, 3, 224, 224, device="meta")}
    assert model.spec.cost().flops == counted_by_torch(model, clip)


def test_bytes_cost_what_the_paper_says_about():
    """120.9 GF as the released model does it, 113 in the paper."""
    spec = published("MaskedLM").spec
    encoder = replace(spec.io.encoder, read=replace(spec.io.encoder.read, lean=False))
    block = replace(spec.io.decoder.block, lean=False)
    plain = replace(spec, io=replace(spec.io, encoder=encoder, decoder=replace(spec.io.decoder, block=block)))
    assert plain.cost(2048).flops / 1e9 == pytest.approx(120.9, abs=1.0)
    assert isinstance(plain.cost(9), Cost)


def test_specs_are_plain_data():
    kinds = {"core": PerceiverSpec, "attend": AttendSpec}
    spec = replace(CORE, every=2, share="none")
    assert from_dict(to_dict(spec, kinds), kinds) == spec


def planned(kind: str, **changes: object) -> ModelSpec:
    """A published model that reads pictures, as the planner sees its folder."""
    preset = system("perceiver-fourier")
    config = {**preset.config, **CONFIGS[kind], "architectures": [f"PerceiverFor{kind}"], **changes}
    return ModelSpec(name=kind, family=FAMILIES["perceiver"], config=config, processor=preset.processor)


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind.startswith("Image")])
def test_plans_count_as_transformers_runs_them(kind):
    """The stem's 55² tokens too."""
    plan = planned(kind).path().plan([Size(640, 480)], 0)
    with torch.device("meta"):
        theirs = getattr(transformers, f"PerceiverFor{kind}")(PerceiverConfig(**CONFIGS[kind]))
    # A mask without values cannot be asked whether it hides nothing; there is none here.
    with patch.object(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_: True):
        flops = counted_by_torch(theirs, torch.empty(1, 3, 224, 224, device="meta"))
    assert (plan.flops, plan.params) == (flops, weights(theirs))
    assert (plan.visual_tokens, plan.patches) == (512, {"Con": 3025}.get(kind[19:22], 50_176))


def test_plans_of_what_reads_no_picture_are_refused():
    with pytest.raises(SaccadeError, match=r"names the architecture \['PerceiverForMaskedLM'\]; Perceivers that are"):
        planned("ImageClassificationFourier", architectures=["PerceiverForMaskedLM"]).path()
