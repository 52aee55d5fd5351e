"""What every part of a model says of itself, so that nothing has to know its class. Base classes for your own parts.

A part is a frozen dataclass that subclasses one of these. It counts its tokens and its cost without torch; ``build``
makes its module, which is where torch is imported. Whatever a part does not say has the default that is written here.
A number that is declared here may be a field or a property.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.sequence import SequenceSpec as SequenceSpec

if TYPE_CHECKING:
    from saccade.specs.towers.regions import RowSpec

CLIP_MEAN_COLOUR = (122, 116, 104)
"""CLIP's mean colour in 8 bits, rounded down: it is zero (almost) after CLIP's normalisation."""


class ViewsSpec(ABC):
    """picture → views: which boxes of the source a model looks at, and at what size."""

    __slots__ = ()

    @abstractmethod
    def layout(self, picture: Size) -> Layout:
        """The views of a picture of this size, in reading order."""

    @property
    def padding(self) -> tuple[int, int, int]:
        """The colour of what lies beside the picture in a view: red, green, blue, 0 to 255."""
        return CLIP_MEAN_COLOUR

    @property
    def framed(self) -> bool:
        """Whether every picture is seen through one frame of ``size``, which may be changed."""
        return False

    @property
    def pasted(self) -> bool:
        """Whether a picture is resized before it is padded, so that the padding does not blend into its edge."""
        return False


class TowerSpec(ABC):
    """views → patches. ``width`` is the channels of a patch, ``patch`` its side in pixels of the view, ``extra`` the
    tokens that a view has beside its patches (a class token, in front of them).
    """

    __slots__ = ()

    width: int
    patch: int
    extra: int = 0

    @abstractmethod
    def grid(self, view: View) -> Grid:
        """The patches of a view."""

    @abstractmethod
    def cost(self, grid: Grid) -> Cost:
        """FLOPs of one view, and the weights."""

    @abstractmethod
    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment, all views in one batch, ``number`` bytes each value."""

    @property
    def row(self) -> "RowSpec | None":
        """The channels of a region where a view's regions come out as a list; None where patches form a map."""
        return None

    @property
    def undone(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and standard deviation a channel that this tower takes its pixels to be normalised by, where it undoes
        that; None where it does not care.
        """
        return None

    @property
    def quadratic(self) -> bool:
        """Whether its FLOPs are a polynomial of second degree in the number of patches, however they lie: a few counts
        then tell all others.
        """
        return False

    def build(self) -> object:
        """The ``torch.nn.Module``: pixels (views × 3 × height × width) to patches (views × tokens × ``width``)."""
        no_module(self)


class ConnectorSpec(ABC):
    """patches → visual tokens. ``width_in`` and ``width_out`` are the channels of a patch and of a token.

    ``extra`` counts tokens that are taken in beside a view's patches (a class token, in front of them), ``vectors`` the
    learned vectors that the sequence places, ``text`` the positions of prompt that the cost counts where the prompt is
    read.
    """

    __slots__ = ()

    width_in: int
    width_out: int
    extra: int = 0
    vectors: int = 0
    text: int = 0

    @abstractmethod
    def tokens(self, grid: Grid) -> int:
        """Visual tokens of a view whose patches form ``grid``."""

    @abstractmethod
    def cost(self, grid: Grid) -> Cost:
        """FLOPs of one view, and the weights."""

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment, all views in one batch, ``number`` bytes each value.

        Unless a part says more: its patches and its tokens, and nothing between them.
        """
        del eager
        patches = sum((grid.tokens + self.extra) * self.width_in for grid in grids)
        return (patches + sum(self.tokens(grid) * self.width_out for grid in grids)) * number

    def grid_out(self, grid: Grid) -> Grid | None:
        """How the tokens lie in the view; None where a token has no place, as of learned queries."""
        del grid

    def groups(self, grid: Grid) -> Groups:
        """The patches that each token is made of: those under its place, or all where it has no place.

        A module whose groups depend on the picture says them itself: ``grouped(patches, grid)``.
        """
        from saccade.specs.groups import by_place  # NumPy, which planning does without

        return by_place(grid, self.tokens(grid), self.grid_out(grid))

    @property
    def exact(self) -> bool:
        """Whether a token carries the patches of its group and no others; False where that is known by attention."""
        return False

    @property
    def reads_prompt(self) -> bool:
        """Whether the prompt is read beside the patches; the module then has ``prompted``."""
        return False

    @property
    def own_tokenizer(self) -> bool:
        """Whether the prompt it reads is split by another tokenizer than the language model's."""
        return False

    @property
    def reads_pixels(self) -> bool:
        """Whether the module is handed a view's pixels beside its patches."""
        return False

    @property
    def row(self) -> "RowSpec | None":
        """The channels of a region where a list of regions is read; None where a map of patches is."""
        return None

    def build(self) -> object:
        """The ``torch.nn.Module``: ``forward(patches, grid)`` from views × patches × ``width_in`` to views × tokens ×
        ``width_out``.
        """
        no_module(self)


NEEDED: dict[type, tuple[str, ...]] = {TowerSpec: ("width", "patch"), ConnectorSpec: ("width_in", "width_out")}
"""Numbers that a part has to say, by its base."""


def no_module(spec: object) -> NoReturn:
    """Refuses a spec without a module."""
    raise SaccadeError(
        f"{type(spec).__name__} has no module; give it build(), which returns the torch.nn.Module of this spec"
    )


def check(part: object, base: type, stage: str) -> None:
    """Refuses a ``part`` that does not subclass ``base``, or lacks a number that has no default."""
    if not isinstance(part, base):
        raise SaccadeError(
            f"{stage} takes a {base.__name__}, got {part!r}; subclass saccade.specs.parts.{base.__name__}"
        )
    missing = [name for name in NEEDED.get(base, ()) if not hasattr(part, name)]
    if missing:
        raise SaccadeError(
            f"{type(part).__name__} says no {' and no '.join(missing)}, which every {base.__name__} says; add a field "
            "or a property"
        )
