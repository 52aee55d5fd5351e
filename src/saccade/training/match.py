"""BLIP-2's first stage: the Q-Former learns from pictures and captions of them, before any language model.

Three losses over one batch, see ``nn/objectives.py``: which caption belongs to which picture (contrast), whether a
hard pair belongs together (match), and how the caption goes on (generation).
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from saccade.runtime.matcher import Matcher
from saccade.tasks.captions import caption
from saccade.tasks.scenes import Scene, Split
from saccade.training.compute import device_in
from saccade.training.features import Bank


@final
class MatchJob:
    """Trains a matcher on ``bank``, whose pictures are those of ``split`` from ``first`` on."""

    def __init__(
        self,
        matcher: Matcher,
        bank: Bank,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch: int,
        split: Split = "train",
        first: int = 0,
        seed: int = 0,
    ) -> None:
        self.matcher, self.bank, self.tokenizer = matcher, bank, tokenizer
        self.batch, self.split, self.first, self.seed = batch, split, first, seed

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The Q-Former with its words, and the heads, which are thrown away afterwards."""
        return {"matcher": self.matcher}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """The three terms; negatives are drawn anew at every step, the same for the same step."""
        rng = np.random.default_rng([self.seed, step])
        count = len(self.bank.pictures)
        chosen = rng.choice(count, size=min(self.batch, count), replace=False).tolist()
        ids, real = self.captions(chosen, rng)
        draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
        device = device_in(self.matcher)
        patches = self.patches(chosen).to(device)
        return self.matcher.losses(patches, ids.to(device), real.to(device), generator=draw)

    def patches(self, chosen: Sequence[int]) -> Tensor:
        """Features of pictures, each of which has one view."""
        rows = [self.bank.pictures[number].rows[0] for number in chosen]
        features = self.bank.features[rows[0][0]]
        return features[[place for _, place in rows]].float()

    def captions(self, chosen: Sequence[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A caption of each picture as ids, padded on the right, and what of them is no padding."""
        end = self.tokenizer.eos_token_id
        rows = []
        for number in chosen:
            scene = Scene(self.split, self.first + number)
            rows.append([*self.tokenizer(caption(scene, rng))["input_ids"], end])
            scene.forget()
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        real = torch.zeros_like(ids, dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.as_tensor(row)
            real[index, : len(row)] = True
        return ids, real
