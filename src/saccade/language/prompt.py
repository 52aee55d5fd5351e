"""Prompts: text and pictures as one run of token ids."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.specs.layouts.sequence import ImageCall, Marker, Span, Tokens, Vector

PLACEHOLDER = "<image>"
Pictures = Sequence[Sequence[Span]]
"""Every picture's place in the sequence, in order."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``ids`` of the whole expanded prompt; ``visual`` says which positions hold visual tokens.

    ``looking`` is the number of the last picture that was called at or before each position, -1 where none was;
    empty where no picture is called, because all are spliced in. ``instruction`` is the text that a connector reads
    beside the pictures, where one does. ``vectors`` numbers the learned vector that stands at each position, -1 where
    none does; empty where there are none.
    """

    ids: tuple[int, ...]
    visual: tuple[bool, ...]
    looking: tuple[int, ...] = ()
    instruction: str = ""
    vectors: tuple[int, ...] = ()

    @property
    def visual_tokens(self) -> int:
        """Positions that hold picture content."""
        return sum(self.visual)

    def vector(self, place: int) -> int:
        """The number of the learned vector there, -1 where none stands."""
        return self.vectors[place] if self.vectors else -1

    def split(self) -> tuple["Prompt", tuple[int, ...]]:
        """Up to the last picture, which questions about one picture share, and the ids after that.

        Of called pictures: up to where they are looked at as by all that follows, which a token that closes documents
        may put off. Raises SaccadeError where nothing follows.
        """
        if self.looking:
            changes = [
                place
                for place, (now, then) in enumerate(zip(self.looking, (-1, *self.looking[:-1]), strict=True))
                if now != then
            ]
            end = changes[-1] + 1
            if end == len(self.ids):
                raise SaccadeError(
                    f"the prompt's last of {end} tokens is the first behind a picture or the end of a document, and no "
                    "text follows from which an answer could begin; write some behind it"
                )
        else:
            shown = [mark or self.vector(place) >= 0 for place, mark in enumerate(self.visual)]
            end = len(shown) - shown[::-1].index(True)
        head = Prompt(self.ids[:end], self.visual[:end], self.looking[:end], self.instruction, self.vectors[:end])
        return head, self.ids[end:]

    def then(self, ids: Sequence[int]) -> "Prompt":
        """The same with text behind it."""
        more = (False,) * len(ids)
        looking = (*self.looking, *self.looking[-1:] * len(ids)) if self.looking else ()
        vectors = (*self.vectors, *(-1,) * len(ids)) if self.vectors else ()
        return Prompt((*self.ids, *ids), (*self.visual, *more), looking, self.instruction, vectors)

    def without(self, kept: Container[int]) -> tuple[int, ...]:
        """The positions that stay when only the visual tokens numbered in ``kept`` are read."""
        places, number = [], -1
        for place, mark in enumerate(self.visual):
            number += mark
            if not mark or number in kept:
                places.append(place)
        return tuple(places)


def expand(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    pictures: Pictures,
    image_id: int,
    *,
    front: bool = False,
    opening: str | None = None,
    reset: int | None = None,
) -> Prompt:
    """``text`` with its literal ``<image>`` placeholders replaced by the pictures' spans, one each, in order.

    Special tokens are added as the tokenizer itself does. ``front`` puts the pictures before those: BLIP-2's processor
    does. ``opening`` is spelled instead of what the tokenizer adds, and the pieces of text between pictures lose their
    outer spaces: IDEFICS's processor does. Behind the token ``reset`` no called picture is looked at until the next.
    Raises SaccadeError when the counts differ, for a picture that has to stand first and does not, and for a prompt
    without tokens.
    """
    ids = _front_ids(tokenizer, text, len(pictures), image_id) if front else _ids(tokenizer, text, opening)
    if not ids:
        raise SaccadeError("the prompt is empty and the tokenizer adds nothing to it; write some text")
    found = ids.count(image_id)
    if found != len(pictures):
        raise SaccadeError(
            f"the prompt holds {found} {PLACEHOLDER} placeholders but {len(pictures)} pictures were given; "
            "write one placeholder a picture"
        )
    return _laid(tuple(ids), tuple(map(tuple, pictures)), image_id, reset)


@lru_cache(maxsize=1024)
def _laid(ids: tuple[int, ...], pictures: tuple[tuple[Span, ...], ...], image_id: int, reset: int | None) -> Prompt:
    """The same for ``ids`` that hold ``image_id`` once a picture; the same question comes again with every picture."""
    laid = _Laid(reset)
    waiting = iter(pictures)
    for place, token in enumerate(ids):
        if token == image_id:
            laid.picture(next(waiting), image_id, following=ids[place + 1 :])
        else:
            laid.add((token,), visual=False)
    looking = tuple(laid.looking) if laid.called else ()
    vectors = tuple(laid.vectors) if max(laid.vectors, default=-1) >= 0 else ()
    return Prompt(tuple(laid.ids), tuple(laid.visual), looking, vectors=vectors)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, opening: str | None) -> list[int]:
    if opening is None:
        return list(tokenizer(text)["input_ids"])
    tight = PLACEHOLDER.join(piece.strip(" ") for piece in text.split(PLACEHOLDER))
    return list(tokenizer(opening + tight, add_special_tokens=False)["input_ids"])


def _front_ids(tokenizer: PreTrainedTokenizerBase, text: str, pictures: int, image_id: int) -> list[int]:
    """The placeholders, then what the tokenizer makes of the text behind them."""
    rest, first = text, 0
    while rest.startswith(PLACEHOLDER):
        rest, first = rest.removeprefix(PLACEHOLDER), first + 1
    if PLACEHOLDER in rest:
        raise SaccadeError(
            f"this model reads its {pictures} pictures before all text; put every {PLACEHOLDER} at the prompt's start"
        )
    return [image_id] * first + list(tokenizer(rest)["input_ids"])


@dataclass(slots=True)
class _Laid:
    """A prompt as it is laid out."""

    reset: int | None
    ids: list[int] = field(default_factory=list)
    visual: list[bool] = field(default_factory=list)
    looking: list[int] = field(default_factory=list)
    vectors: list[int] = field(default_factory=list)
    called: int = 0
    now: int = -1

    def add(self, ids: Sequence[int], *, visual: bool, vector: int = -1) -> None:
        self.ids += ids
        self.visual += [visual] * len(ids)
        self.vectors += [vector] * len(ids)
        for token in ids:
            self.looking.append(self.now)
            self.now = -1 if token == self.reset else self.now

    def picture(self, spans: Sequence[Span], image_id: int, following: Sequence[int]) -> None:
        """One picture; a shared marker that stands before or behind it already is left as it is."""
        for number, span in enumerate(spans):
            if isinstance(span, Tokens):
                self.add([image_id] * span.count, visual=True)
            elif isinstance(span, Vector):
                self.add([image_id], visual=False, vector=span.number)
            elif isinstance(span, ImageCall):
                self.now, self.called = self.called, self.called + 1
                self.add([span.id], visual=False)
            elif not (span.shared and self._stands(span, following if number else None)):
                self.add(span.ids, visual=False)

    def _stands(self, marker: Marker, following: Sequence[int] | None) -> bool:
        size = len(marker.ids)
        near = self.ids[-size:] if following is None else list(following[:size])
        return tuple(near) == marker.ids
