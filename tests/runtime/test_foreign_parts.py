"""Parts that saccade has never seen, at every stage of a path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from saccade.backends.composed.flops import Counter
from saccade.backends.open import open_model
from saccade.backends.random_init import from_spec, spec_of
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Cost
from saccade.core.registry import plugins
from saccade.core.registry.plugins import plugin
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.runtime.reader import Reader
from saccade.specs.laws import count
from saccade.specs.layouts.sequence import Span, Tokens
from saccade.specs.parts import ConnectorSpec, SequenceSpec, TowerSpec, ViewsSpec
from tests.outside_packages import install
from tests.parts import picture

SIDE, WIDTH = 8, 12


@dataclass(frozen=True, kw_only=True)
class Halves(ViewsSpec):
    def layout(self, picture: Size) -> Layout:
        middle = picture.width / 2
        boxes = (Box(0, 0, middle, picture.height), Box(middle, 0, picture.width, picture.height))
        return Layout(picture, tuple(View(box, Size(4 * SIDE, 4 * SIDE)) for box in boxes), why="two halves")

    @property
    def padding(self) -> tuple[int, int, int]:
        return (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Squares(TowerSpec):
    width: int = WIDTH
    patch: int = SIDE

    def grid(self, view: View) -> Grid:
        return view.grid(self.patch)

    def cost(self, grid: Grid) -> Cost:
        return count.convolution(grid.tokens, self.patch, 3, self.width)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        return 0

    def build(self) -> object:
        return SquaresTower(self)


class SquaresTower(nn.Module):
    def __init__(self, spec: Squares) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, spec.width, spec.patch, stride=spec.patch)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.cut(pixels).flatten(2).transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class Rows(ConnectorSpec):
    width_in: int = WIDTH
    width_out: int = 16
    short: int = 0

    def grid_out(self, grid: Grid) -> Grid:
        return Grid(grid.rows, 1)

    def tokens(self, grid: Grid) -> int:
        return grid.rows

    def cost(self, grid: Grid) -> Cost:
        return count.linear(grid.rows, self.width_in, self.width_out)

    def build(self) -> object:
        return RowMeans(self)


class RowMeans(nn.Module):
    def __init__(self, spec: Rows) -> None:
        super().__init__()
        self.spec, self.project = spec, nn.Linear(spec.width_in, spec.width_out)

    def forward(self, patches: Tensor, grid: Grid) -> Tensor:
        rows = patches.unflatten(1, (grid.rows, grid.cols)).mean(dim=2)
        return self.project(rows[:, self.spec.short :])


@dataclass(frozen=True, kw_only=True)
class Brightest(Rows):
    """Whose groups depend on the picture: the brightest patches, as many as there are rows."""

    def build(self) -> object:
        return BrightestPatches(self)


class BrightestPatches(RowMeans):
    def grouped(self, patches: Tensor, grid: Grid) -> tuple[Tensor, list[Groups]]:
        chosen = patches.sum(dim=2).topk(grid.rows).indices
        kept = patches.gather(1, chosen[..., None].expand(-1, -1, patches.shape[2]))
        return self.project(kept), [list(view.numpy()) for view in chosen.unsqueeze(2)]


@dataclass(frozen=True, kw_only=True)
class Backwards(SequenceSpec):
    """The last view first."""

    def spans(self, layout: Layout, tokens: Sequence[int]) -> tuple[Span, ...]:
        return tuple(Tokens(view, tokens[view]) for view in reversed(range(len(tokens))))


@pytest.fixture
def reader() -> Reader:
    spec = spec_of("llava")
    parts = {"views": Halves(), "tower": Squares(), "connector": Rows(width_out=spec.language.width)}
    return from_spec(replace(spec, **parts, sequence=Backwards()))


def test_a_path_of_foreign_parts_is_planned_counted_and_asked(reader: Reader):
    size = Size(90, 60)
    plan = reader.plan(size, "What?")
    assert (plan.visual_tokens, plan.patches) == (8, 32)
    assert plan.connector.params == sum(weight.numel() for weight in reader.connector.parameters())
    assert plan.vision.params == sum(weight.numel() for weight in reader.tower.parameters())
    text = reader.positions("What?")
    assert Counter(reader).look([reader.spec.views.layout(size)], [text]) == plan.flops
    (encoded,) = reader.encode([picture(90, 60)])
    ((answer,),) = reader.ask([encoded], [["What?"]], max_tokens=2)
    assert len(answer.tokens) == 2


def test_the_ledger_follows_the_order_in_which_tokens_are_read(reader: Reader):
    (encoded,) = reader.encode([picture(90, 60)])
    cells = [encoded.ledger.cells[list(group)] for group in encoded.ledger.groups]
    assert [float(cell[:, 0].min()) for cell in cells] == [45.0] * 4 + [0.0] * 4  # the right half is read first
    assert [float(cell[:, 1].min()) for cell in cells] == [0.0, 15.0, 30.0, 45.0] * 2
    halves = reader.patches([picture(90, 60)]).batches[0].patches
    made = reader.connector(halves, Grid(4, 4))
    assert encoded.tokens.equal(torch.cat([made[1], made[0]]))


def test_groups_that_depend_on_the_picture_go_into_the_ledger(reader: Reader):
    spec = replace(reader.spec, connector=Brightest(width_out=reader.spec.language.width))
    chosen = from_spec(spec)
    (encoded,) = chosen.encode([picture(90, 60)])
    assert all(len(group) == 1 for group in encoded.ledger.groups)
    assert len({int(group[0]) for group in encoded.ledger.groups}) == 8


def test_a_module_that_makes_what_its_spec_does_not_say_is_refused(reader: Reader):
    spec = replace(reader.spec, connector=replace(reader.spec.connector, short=1))
    with pytest.raises(SaccadeError, match=r"RowMeans made 2 × 3 × \d+ .* its spec says 2 × 4 × \d+; make tokens\(\)"):
        from_spec(spec).encode([picture(90, 60)])


def test_widths_that_do_not_agree_are_refused(reader: Reader):
    with pytest.raises(SaccadeError, match="the tower puts out 12 channels, the connector takes 13; make them equal"):
        replace(reader.spec, connector=Rows(width_in=13, width_out=reader.spec.language.width))


def test_answers_of_models_with_code_of_elsewhere_are_kept_under_that_code(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert open_model(reader).fingerprint is None  # these classes stand in no package's file
    entries = {"saccade.parts": {"rows": "rows_a:Own"}}
    source = "from tests.runtime.test_foreign_parts import Rows\nclass Own(Rows):\n    pass\n"
    install(tmp_path, monkeypatch, "rows", entries, {"rows_a": source})
    made = cast(Any, plugin("saccade.parts", "rows/rows"))
    plugins._installed.cache_clear()
    llava = from_spec(spec_of("llava"))
    plain = open_model(llava).fingerprint
    assert plain is not None
    assert "rows_a" not in plain
    spec = replace(llava.spec, connector=made(width_in=llava.spec.tower.width, width_out=llava.spec.language.width))
    llava.spec = spec
    first = open_model(llava).fingerprint
    assert first is not None
    assert "rows_a=" in first
    (tmp_path / "rows_a.py").write_text(source + "# changed\n")
    assert open_model(llava).fingerprint != first
