"""Prompts: text and pictures as one run of token ids."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.specs.sequence import Span, Tokens

PLACEHOLDER = "<image>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """``ids`` of the whole expanded prompt; ``visual`` says which positions hold visual tokens."""

    ids: tuple[int, ...]
    visual: tuple[bool, ...]

    @property
    def visual_tokens(self) -> int:
        """Positions that hold picture content."""
        return sum(self.visual)

    def split(self) -> tuple["Prompt", tuple[int, ...]]:
        """Up to the last visual token, which questions about one picture share, and the ids after that."""
        end = len(self.visual) - self.visual[::-1].index(True)
        return Prompt(self.ids[:end], self.visual[:end]), self.ids[end:]

    def without(self, kept: Container[int]) -> tuple[int, ...]:
        """The positions that stay when only the visual tokens numbered in ``kept`` are read."""
        places, number = [], -1
        for place, mark in enumerate(self.visual):
            number += mark
            if not mark or number in kept:
                places.append(place)
        return tuple(places)


def expand(tokenizer: PreTrainedTokenizerBase, text: str, pictures: Sequence[Sequence[Span]], image_id: int) -> Prompt:
    """``text`` with its literal ``<image>`` placeholders replaced by the pictures' spans, one each, in order.

    Special tokens are added as the tokenizer itself does. Raises SaccadeError when the counts differ, and for a
    prompt without tokens.
    """
    ids = list(tokenizer(text)["input_ids"])
    if not ids:
        raise SaccadeError("the prompt is empty and the tokenizer adds nothing to it; write some text")
    found = ids.count(image_id)
    if found != len(pictures):
        raise SaccadeError(
            f"the prompt holds {found} {PLACEHOLDER} placeholders but {len(pictures)} pictures were given; "
            "write one placeholder a picture"
        )
    waiting = iter(pictures)
    out: list[int] = []
    visual: list[bool] = []
    for token in ids:
        if token != image_id:
            out.append(token)
            visual.append(False)
            continue
        for span in next(waiting):
            piece = [image_id] * span.count if isinstance(span, Tokens) else list(span.ids)
            out += piece
            visual += [isinstance(span, Tokens)] * len(piece)
    return Prompt(tuple(out), tuple(visual))
