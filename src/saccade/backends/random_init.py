"""Readers with random weights, from the catalogue."""

import torch

from saccade.architectures import COMPOSITIONS
from saccade.core.errors import unknown
from saccade.core.interface.arguments import seed as seed_of
from saccade.core.interface.arguments import text
from saccade.language.prompt import PLACEHOLDER
from saccade.language.tokenizer import byte_tokenizer
from saccade.runtime.reader import Reader
from saccade.specs.reader import ReaderSpec


def build(name: str, preset: str = "tiny", seed: int = 0) -> Reader:
    """The catalogue's reader ``name`` with random weights, the same for the same ``seed``, ready to answer.

    Its tokenizer spells bytes. Raises SaccadeError with near matches for names that the catalogue does not hold.
    """
    return from_spec(spec_of(text("name", name), text("preset", preset)), seed_of("seed", seed))


def spec_of(name: str, preset: str = "tiny") -> ReaderSpec:
    """The spec behind a name of the catalogue and a preset."""
    if name not in COMPOSITIONS:
        raise unknown("reader", name, COMPOSITIONS)
    presets = COMPOSITIONS[name].presets
    if preset not in presets:
        raise unknown(f"preset of {name}", preset, presets)
    return presets[preset]()


def from_spec(spec: ReaderSpec, seed: int = 0) -> Reader:
    """A reader of ``spec`` with random weights and a tokenizer of bytes; global random state stays as it is."""
    named = {PLACEHOLDER: spec.image_id, "</s>": spec.language.ends[0]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # A connector that reads the prompt spells it in bytes too.
        instructor = byte_tokenizer({"</s>": 256}) if spec.connector.reads_prompt else None
        return Reader(spec, byte_tokenizer(named), instructor).eval()
