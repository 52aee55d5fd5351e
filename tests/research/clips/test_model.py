"""Shared latents: what is not there has no influence, in a batch or alone; costs; files; refusals."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from research.clips import model as unified
from research.clips.model import Clips, Unified
from research.clips.spec import UnifiedSpec
from research.clips.tasks import LETTERS
from research.clips.training import bank
from saccade.core.errors import SaccadeError
from tests.parts import close, counted, shake

SPEC = UnifiedSpec(side=8, patch=4, samples=48, frame=16, letters=6, width=16, latents=3, heads=2, layers=1, classes=5)


def clips(batch: int = 3, seed: int = 0, spec: UnifiedSpec = SPEC) -> Clips:
    draw = torch.Generator().manual_seed(seed)
    texts = torch.randint(1, 256, (batch, spec.letters), generator=draw)
    return Clips(
        torch.randint(0, 256, (batch, spec.side, spec.side, 3), generator=draw).to(torch.uint8),
        torch.randn(batch, spec.samples, generator=draw),
        texts.masked_fill(torch.arange(spec.letters) > torch.arange(batch)[:, None] + 2, 0),
        torch.ones(batch, 3, dtype=torch.bool),
    )


def made() -> Unified:
    torch.manual_seed(2)
    model = Unified(SPEC).eval()
    shake(model)
    return model


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_what_is_not_there_has_no_influence(gone):
    model, one, other = made(), clips(), clips(seed=1)
    kept = [part for part in range(3) if part != gone]
    fields = ["pictures", "sounds", "texts"]
    mixed = Clips(*(getattr(other if part == gone else one, fields[part]) for part in range(3)), one.there)
    for ours, theirs in zip(model(one.only(*kept)), model(mixed.only(*kept)), strict=True):
        close(ours, theirs)
    for ours, theirs in zip(model(one), model(mixed), strict=True):
        assert not torch.allclose(ours, theirs, atol=1e-3)


def test_gradients_do_not_reach_it_either():
    model, one = made(), clips()
    sounds = one.sounds.requires_grad_()
    sum(part.sum() for part in model(Clips(one.pictures, sounds, one.texts, one.only(0, 2).there))).backward()
    assert not sounds.grad.any()
    assert not any(weight.grad is not None and weight.grad.any() for weight in model.sound.parameters())


def test_letters_behind_the_end_are_not_there():
    model, one = made(), clips()
    before = model(one)
    with torch.no_grad():
        model.embed_letters.weight[0].normal_()  # no constant: a norm would take that out
    for ours, theirs in zip(model(one), before, strict=True):
        close(ours, theirs)


def test_a_clip_alone_and_in_a_batch():
    model, one = made(), clips()
    there = torch.tensor([[1, 1, 1], [0, 1, 0], [1, 0, 1]]).bool()
    together = model(replace(one, there=there))
    for at in range(3):
        rows = slice(at, at + 1)
        alone = model(Clips(one.pictures[rows], one.sounds[rows], one.texts[rows], there[rows]))
        for ours, theirs in zip(alone, together, strict=True):
            close(ours, theirs[rows])


def test_patches_are_the_blocks_of_the_picture():
    """Two blocks change places with what is known of their places: nothing else changes."""
    model, one = made(), clips()
    with torch.no_grad():
        model.places.copy_(model.places[[3, 1, 2, 0, *range(4, sum(SPEC.tokens))]])
    moved = one.pictures.clone()
    moved[:, :4, :4], moved[:, 4:, 4:] = one.pictures[:, 4:, 4:], one.pictures[:, :4, :4]
    ours = model(replace(one, pictures=moved))
    with torch.no_grad():
        model.places.copy_(model.places[[3, 1, 2, 0, *range(4, sum(SPEC.tokens))]])
    for found, wanted in zip(ours, model(one), strict=True):
        close(found, wanted)


def test_cost_is_what_torch_counts():
    def run(model: nn.Module) -> None:
        model(Clips(*(getattr(clips(1), name).to("meta") for name in ("pictures", "sounds", "texts", "there"))))

    found = counted(lambda: Unified(SPEC), run)
    assert SPEC.cost() == found
    assert UnifiedSpec().cost().params == sum(weight.numel() for weight in Unified(UnifiedSpec()).parameters())


def test_saved_and_loaded(tmp_path):
    model, file = made(), tmp_path / "unified.safetensors"
    unified.save(model, file)
    again = unified.load(file)
    assert again.spec == SPEC
    for name, weight in model.state_dict().items():
        assert again.state_dict()[name].equal(weight.half().float())


def test_refusals(tmp_path):
    model = made()
    with pytest.raises(SaccadeError, match="8 pixels a side, 48 samples of sound and 6 bytes of text, got 8, 32 and 6"):
        model(replace(clips(), sounds=torch.zeros(3, 32)))
    for changes, message in (
        ({"side": 9}, "side is a multiple of patch, got 9 and 4"),
        ({"frame": 0}, "samples is a multiple of frame, got 48 and 0"),
        ({"classes": 1}, "1 letter and 2 classes or more, got 6 and 1"),
    ):
        with pytest.raises(SaccadeError, match=message):
            replace(SPEC, **changes)
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SaccadeError, match="says no spec; name a file that python -m research clips wrote"):
        unified.load(tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    for name in ("cut.safetensors", "gone.safetensors"):
        with pytest.raises(SaccadeError, match=rf"{name} is no readable safetensors file"):
            unified.load(tmp_path / name)
    del model.places
    unified.save(model, tmp_path / "lacking.safetensors")
    with pytest.raises(SaccadeError, match=r"lacking\.safetensors lacks 1 of \d+ weights: places"):
        unified.load(tmp_path / "lacking.safetensors")


def test_the_shipped_model_reads_what_is_there():
    """Far above chance, and further with all three; the figures themselves are measured, not tested."""
    model, data = unified.shipped(), bank("test", 200, LETTERS)

    def right(*parts: int) -> float:
        with torch.inference_mode():
            sources, _ = model(data.clips.only(*parts))
        return float((sources.argmax(dim=1) == data.source)[data.whole].float().mean())

    whole, text = right(0, 1, 2), right(2)
    assert whole > 0.85
    assert 0.6 < text < whole
