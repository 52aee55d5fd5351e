"""Names of every published Perceiver against those of transformers' classes at their real sizes."""

from pathlib import Path

import pytest
import torch
import transformers

from saccade.architectures.perceiver.checkpoint import MODELS, Published
from tests.specs.laws.test_perceiver import CONFIGS

ALL = {**CONFIGS, "SequenceClassification": CONFIGS["MaskedLM"]}


@pytest.mark.parametrize("kind", ALL)
def test_every_published_weight_has_one_place(kind):
    """And the shape that its parts come to, one below the other."""
    config = transformers.PerceiverConfig(**ALL[kind])
    with torch.device("meta"):
        theirs = getattr(transformers, f"PerceiverFor{kind}")(config).state_dict()
        ours, names = MODELS[f"PerceiverFor{kind}"](Published(config, "authors", Path("nowhere")))
    parts = {name: (one,) if isinstance(one, str) else one for name, one in names.items()}
    used = [one for row in parts.values() for one in row]
    assert sorted(used) == sorted(theirs)
    assert set(parts) == set(ours.state_dict())
    for name, weight in ours.state_dict().items():
        found = [theirs[one] for one in parts[name]]
        assert list(weight.shape) == list((torch.cat(found) if len(found) > 1 else found[0]).shape)
