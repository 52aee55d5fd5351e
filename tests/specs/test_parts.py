"""Parts describe themselves: nothing in the paths asks which class a part is."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

import saccade
from saccade.architectures.llava.reader import PRESETS
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.parts import ConnectorSpec, check

SOURCE = Path(saccade.__file__).parent


@pytest.mark.parametrize(
    "file", ["specs/reader.py", "specs/laws/path.py", "runtime/reader.py", "runtime/batching.py", "runtime/prompted.py"]
)
def test_no_class_of_a_part_is_asked_for(file: str):
    tree = ast.parse((SOURCE / file).read_text())
    asked = [
        name.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for name in ast.walk(call.args[1])
        if isinstance(name, ast.Name)
    ]
    assert not [name for name in asked if name.endswith(("Spec", "Sequence"))]
    known = {"Foveal", "QFormer", "Merge", "Linear", "Hiwin", "RegionTower"}
    assert not known & set(asked)


@dataclass(frozen=True, kw_only=True)
class Silent(ConnectorSpec):
    def tokens(self, grid: Grid) -> int:
        return grid.tokens

    def cost(self, grid: Grid) -> Cost:
        return Cost()


def test_a_part_without_its_widths_is_refused_by_name():
    with pytest.raises(SaccadeError, match="Silent says no width_in and no width_out, which every ConnectorSpec says"):
        check(Silent(), ConnectorSpec, "connector")


def test_a_part_of_no_kind_is_refused_with_the_base_that_it_needs():
    with pytest.raises(
        SaccadeError, match=r"connector takes a ConnectorSpec, got 'mlp'; subclass saccade\.specs\.parts"
    ):
        check("mlp", ConnectorSpec, "connector")
    tiny = PRESETS["tiny"]()
    with pytest.raises(SaccadeError, match="tower takes a TowerSpec, got MlpSpec"):
        check(tiny.connector, cast(type, type(tiny.tower).__mro__[1]), "tower")
