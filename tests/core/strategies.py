"""Pictures, views and ledgers for hypothesis."""

from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import View

sizes = st.builds(Size, st.integers(1, 600), st.integers(1, 600))
grids = st.builds(Grid, st.integers(1, 6), st.integers(1, 6))


@st.composite
def boxes_in(draw: st.DrawFn, outer: Box) -> Box:
    """A box with some area inside ``outer``, on sixteenths of its sides."""
    left, right = sorted(draw(st.lists(st.integers(0, 16), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, 16), min_size=2, max_size=2, unique=True)))
    unit = Box(left / 16, top / 16, right / 16, bottom / 16)
    return unit.scale(outer.width, outer.height).shift(outer.left, outer.top)


@st.composite
def views(draw: st.DrawFn, picture: Size | None = None) -> View:
    """A view of some of a picture, stretched or letterboxed."""
    source = draw(boxes_in(Box.of(picture or draw(sizes))))
    size = draw(sizes)
    content = draw(st.none() | boxes_in(Box.of(size)))
    return View(source, size, content=content)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """The patches of one to three views of one picture."""
    picture = draw(sizes)
    seen = draw(st.lists(st.tuples(views(picture), grids), min_size=1, max_size=3))
    return Ledger.of(picture, [view for view, _ in seen], [grid for _, grid in seen])
