"""BLIP-2 and InstructBLIP as transformers writes them: published weight names to ours, strictly.

``vision_model.`` is the tower, ``language_model.`` a causal model or a T5 as its own class spells it, and everything
else the Q-Former with its queries and its projection.
"""

import re
from collections.abc import Iterable

from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec
from saccade.weights import causal, qformer
from saccade.weights.files import Published

TOWER, LANGUAGE = "vision_model.", "language_model."
# Not learned: counted off when the module is made, though older files hold it.
_COUNTED = re.compile(r"position_ids$")


def rename(published: Iterable[str], spec: QFormerSpec, language: DecoderSpec | Seq2SeqSpec) -> dict[str, Published]:
    """Our name → published name or names. Raises SaccadeError for names of no known layout."""
    names = list(published)
    spoken = [name for name in names if name.startswith(LANGUAGE)]
    elsewhere = {name for name in names if name.startswith(TOWER)} | set(spoken)
    asked = qformer.rename((name for name in names if name not in elsewhere), spec)
    made: dict[str, Published] = {f"connector.{ours}": theirs for ours, theirs in asked.items()}
    return made | tower(names) | _language(spoken, language)


def retriever(published: Iterable[str], spec: QFormerSpec) -> dict[str, Published]:
    """The same for a retrieval model, whose Q-Former is a matcher's."""
    names = list(published)
    asked = qformer.rename_matcher((name for name in names if not name.startswith(TOWER)), spec)
    return {f"matcher.{ours}": theirs for ours, theirs in asked.items()} | tower(names)


def tower(published: Iterable[str]) -> dict[str, Published]:
    """The tower's part of ``published``; other names are passed over."""
    return {
        f"tower.backbone.{name.removeprefix(TOWER)}": name
        for name in published
        if name.startswith(TOWER) and not _COUNTED.search(name)
    }


def _language(spoken: list[str], spec: DecoderSpec | Seq2SeqSpec) -> dict[str, Published]:
    if isinstance(spec, DecoderSpec):
        plain = causal.rename((name.removeprefix(LANGUAGE) for name in spoken), spec.model_type)
        return {ours: f"{LANGUAGE}{theirs}" for ours, theirs in plain.items()}
    return {f"language.model.{name.removeprefix(LANGUAGE)}": name for name in spoken}
