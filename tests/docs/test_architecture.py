"""The page's table of folders is what its diagram draws, and what there is."""

import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import saccade
from tests.docs.blocks import DOCS

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
DATA = {"embedded"}
"""Folders of the package that hold data alone."""


@pytest.fixture(scope="module")
def diagram() -> Iterator[ModuleType]:
    """The script that draws."""
    found = importlib.util.spec_from_file_location("folder_diagram", DOCS / "scripts" / "folder_diagram.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "folder_diagram", module)  # dataclasses look their module up
        found.loader.exec_module(module)
        yield module


def test_the_diagram_is_the_tables(diagram: ModuleType):
    drawn = (DOCS / "architecture.svg").read_text(encoding="utf-8")
    assert drawn == diagram.drawing(diagram.folders(PAGE)), "run make docs"
    texts = {text.text for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")}
    assert {folder.name for folder in diagram.folders(PAGE)} <= texts


def test_what_a_folder_holds_fits_into_its_box(diagram: ModuleType):
    found = diagram.folders(PAGE)
    rows = [folder.row for folder in found]
    assert rows == sorted(rows)
    assert max(len(folder.holds) for folder in found if rows.count(folder.row) == 1) <= 80


def test_the_table_names_the_folders_that_there_are(diagram: ModuleType):
    package = Path(saccade.__file__).parent
    there = {path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"} - DATA
    assert {folder.name for folder in diagram.folders(PAGE)} == there
