"""How the tokens of several views stand in the language sequence, and the markers between them.

A *slot* is any position that the picture adds: visual tokens and markers. Markers are token ids, not
text: a tokenizer may spell a newline differently inside a word, an id is what was trained.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from saccade.core.errors import SaccadeError
from saccade.core.view import Layout


@dataclass(frozen=True, slots=True)
class Tokens:
    """``count`` visual tokens of the view numbered ``view``, from its token ``first`` on."""

    view: int
    count: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Marker:
    """Token ids that carry no picture content. A ``shared`` one that stands in its place already is not set again."""

    ids: tuple[int, ...]
    shared: bool = False


@dataclass(frozen=True, slots=True)
class ImageCall:
    """The one position, of token ``id``, from which on the text reads a picture by cross-attention."""

    id: int


@dataclass(frozen=True, slots=True)
class Vector:
    """One position that holds a vector learned for it, the connector's ``number``: no token id stands for it."""

    number: int


Span = Tokens | Marker | ImageCall | Vector


def slots(spans: Sequence[Span]) -> int:
    """Positions that the picture adds, if it shares no marker with another."""
    return sum(map(_length, spans))


def _length(span: Span) -> int:
    if isinstance(span, Vector):
        return 1
    return span.count if isinstance(span, Tokens) else len(ids_of(span))


def ids_of(span: Marker | ImageCall) -> tuple[int, ...]:
    """The token ids of what is no visual token."""
    return (span.id,) if isinstance(span, ImageCall) else span.ids


class SequenceSpec(ABC):
    """visual tokens → positions of the language sequence."""

    __slots__ = ()

    @abstractmethod
    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """What the picture puts into the sequence, in order; ``tokens`` counts each view's visual tokens."""

    def slots(self, layout: Layout, tokens: Sequence[int]) -> int:
        """Positions that the picture adds."""
        return slots(self.spans(layout, tokens)) * layout.times

    def order(self, layout: Layout, tokens: Sequence[int]) -> list[int] | None:
        """Numbers of the visual tokens, counted view by view, as they are read; None where that is their order."""
        before = [sum(tokens[:view]) for view in range(len(tokens))]
        runs = [
            (before[run.view] + run.first, run.count) for run in self.spans(layout, tokens) if isinstance(run, Tokens)
        ]
        ends = [0, *(first + count for first, count in runs)]
        natural = all(end == first for end, (first, _) in zip(ends, runs, strict=False))
        if not runs or (natural and ends[-1] == sum(tokens)):
            return None
        return [first + number for first, count in runs for number in range(count)]

    @property
    def vectors(self) -> int:
        """Learned vectors of the connector that are placed."""
        return 0

    @property
    def crossed(self) -> bool:
        """Whether the tokens stay out of the sequence, and cross-attention reads them."""
        return False

    @property
    def front(self) -> bool:
        """Whether pictures stand before what the tokenizer puts first."""
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainSequence(SequenceSpec):
    """Views one after the other, nothing between: LLaVA."""

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """``tokens`` counts each view's visual tokens."""
        _check(layout, tokens)
        return tuple(Tokens(view, count) for view, count in enumerate(tokens))


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontSequence(PlainSequence):
    """As plain, and in front of everything, what the tokenizer puts first included: BLIP-2."""

    @property
    def front(self) -> bool:
        """In front of everything."""
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class CalledSequence(SequenceSpec):
    """Flamingo: the token ``image`` alone, in IDEFICS between two markers ``around``; cross-attention reads the rest.

    Slots: 1, or 3 with markers, of which pictures next to one another share the one between them.
    """

    image: int
    around: tuple[int, ...] = ()

    @property
    def crossed(self) -> bool:
        """Cross-attention reads the tokens."""
        return True

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """The same for every picture; ``tokens`` counts each view's visual tokens."""
        _check(layout, tokens)
        edge = (Marker(self.around, shared=True),) if self.around else ()
        return (*edge, ImageCall(self.image), *edge)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparatedSequence(SequenceSpec):
    """LLaVA-UHD: after every slice one ``comma``, after a row's last one ``newline`` instead, then the overview.

    Slots: slices × (tokens + 1) + tokens of the overview; an unsliced picture has no separators.
    Source: LLaVA-UHD, arXiv:2403.11703 and its released code; ids 29892 and 13 there, by id, not by text.
    """

    comma: int
    newline: int

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """``tokens`` counts each view's visual tokens."""
        _check(layout, tokens)
        spans: list[Span] = []
        for view, count in enumerate(tokens):
            spans.append(Tokens(view, count))
            if layout.views[view].role == "slice" and layout.slices is not None:
                last = layout.views[view].col == layout.slices.cols - 1
                spans.append(Marker((self.newline if last else self.comma,)))
        return tuple(spans)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggedSequence(SequenceSpec):
    """Idefics3 and SmolVLM: every tile opens with an edge marker and its row and column, rows end in a newline.

    ``edge`` is ``<fake_token_around_image>``; ``places[row][col]`` are the ``<row_r_col_c>`` ids; ``whole``
    is ``<global-img>``; ``newline`` and ``gap`` are the ids of one and of two line breaks.
    Slots: tiles × (tokens + 2) + rows + (tokens + 3) + (ids of the gap - 1), as the processors count.
    """

    edge: int
    whole: int
    newline: tuple[int, ...]
    gap: tuple[int, ...]
    places: tuple[tuple[int, ...], ...]

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """``tokens`` counts each view's visual tokens."""
        _check(layout, tokens)
        spans: list[Span] = []
        for number, (view, count) in enumerate(zip(layout.views, tokens, strict=True)):
            if view.role == "whole":
                lead = self.gap if layout.slices is not None else ()
                spans += [Marker((*lead, self.edge, self.whole)), Tokens(number, count), Marker((self.edge,))]
                continue
            spans += [Marker((self.edge, self._place(view.row, view.col))), Tokens(number, count)]
            rows = layout.slices
            if rows is not None and view.col == rows.cols - 1 and view.row < rows.rows - 1:
                spans.append(Marker(self.newline))
        return tuple(spans)

    def _place(self, row: int, col: int) -> int:
        if row >= len(self.places) or col >= len(self.places[row]):
            raise SaccadeError(
                f"the vocabulary has markers for {len(self.places)} rows of tiles, the picture needs row {row + 1}, "
                f"column {col + 1}; lower the longest edge"
            )
        return self.places[row][col]


@dataclass(frozen=True, kw_only=True, slots=True)
class WovenSequence(SequenceSpec):
    """DeepSeek-OCR: tiles are woven into one map, every row of it and of the whole ends in a newline, then a separator.

    Without ``newlines`` tiles follow one another, and the separator stands alone: DeepSeek-OCR-2. Separator and newline
    are vectors, learned, not tokens. Three tiles side by side so cost fewer positions than three on top of one another.
    """

    newlines: bool = True

    @property
    def vectors(self) -> int:
        """Learned vectors: the separator, and behind it the newline."""
        return 1 + self.newlines

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        """``tokens`` counts each view's visual tokens; every view is a square of them."""
        _check(layout, tokens)
        separator, newline = Vector(0), Vector(1)
        if not self.newlines:
            return (*(Tokens(view, count) for view, count in enumerate(tokens)), separator)
        spans: list[Span] = []
        *tiles, whole = tokens
        if layout.slices is not None:
            side = _side(tiles)
            for row in range(layout.slices.rows * side):
                first = row // side * layout.slices.cols
                spans += [Tokens(first + col, side, row % side * side) for col in range(layout.slices.cols)]
                spans.append(newline)
        side = _side([whole])
        for row in range(side):
            spans += [Tokens(len(tiles), side, row * side), newline]
        return (*spans, separator)


def _side(tokens: Sequence[int]) -> int:
    """Tokens along a side of views that are equal squares of them."""
    side = isqrt(tokens[0])
    if set(tokens) != {side * side}:
        raise SaccadeError(
            f"views whose tokens are woven by rows are equal squares of them, got {sorted(set(tokens))}; take square "
            "views of one size"
        )
    return side


def _check(layout: Layout, tokens: Sequence[int]) -> None:
    if len(tokens) != len(layout.views):
        raise SaccadeError(f"the layout has {len(layout.views)} views but {len(tokens)} token counts were given")
