"""``docs/tutorials/bring-your-own-connector.md`` is run block by block, in its order, in processes of its own."""

import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.docs.blocks import DOCS, ROOT, Block, blocks, commands
from tests.outside.serving import answers
from tests.outside.site import install, python, saccade_command

PAGE = DOCS / "tutorials" / "bring-your-own-connector.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks(PAGE)


def test_the_page_has_blocks_of_known_kinds():
    assert all(block.runs for block in BLOCKS)
    assert [block.language for block in BLOCKS] == ["python"] * 2 + ["toml", "sh"] + ["python"] * 3 + ["sh"] * 3


def test_every_block_of_the_page_runs(tmp_path: Path):
    package, site, work = (tmp_path / name for name in ("package", "site", "work"))
    for folder in (package / "my_connector", site, work):
        folder.mkdir(parents=True)
    (package / "my_connector" / "__init__.py").touch()
    Image.new("RGB", (320, 240), "white").save(work / "photo.png")
    for block in BLOCKS:
        if block.title:
            (package / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            done = python(["-c", block.text], site, work)
            assert done.returncode == 0, f"line {block.line}\n{block.text}\n{done.stderr}"
        else:
            _typed(block, package, site, work)
    assert (work / "looks.png").stat().st_size > 1000
    assert (work / "report" / "report.html").stat().st_size > 1000


def _typed(block: Block, package: Path, site: Path, work: Path) -> None:
    """Lines that a user types; pip needs a network, so its work is done by hand."""
    for command in commands(block):
        name, *arguments = shlex.split(command.line)
        if command.line == "pip install -e .":
            install(package, site)
        elif arguments[0] == "serve":
            assert answers(arguments, site, work)
        else:
            assert name == "saccade"
            saccade_command(arguments, site, work)


def test_the_page_is_linked_from_the_readme():
    assert f"({PAGE.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", ["parts", "policies", "exams", "metrics", "models", "backends"])
def test_every_entry_point_group_is_on_the_page(group: str):
    assert f"`saccade.{group}`" in TEXT
