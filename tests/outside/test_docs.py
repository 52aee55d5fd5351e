"""``docs/bring-your-own-connector.md`` is run block by block, in its order."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.outside.serving import answers
from tests.outside.site import install, python, saccade_command

PAGE = (Path(__file__).parents[2] / "docs" / "bring-your-own-connector.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.(?:py|toml))\n")


def test_the_page_has_blocks_of_known_kinds():
    assert [language for language, _ in BLOCKS] == ["python"] * 2 + ["toml", "sh"] + ["python"] * 3 + ["sh"] * 3


def test_every_block_of_the_page_runs(tmp_path: Path):
    package, site, work = (tmp_path / name for name in ("package", "site", "work"))
    for folder in (package / "my_connector", site, work):
        folder.mkdir(parents=True)
    (package / "my_connector" / "__init__.py").touch()
    Image.new("RGB", (320, 240), "white").save(work / "photo.png")
    for language, block in BLOCKS:
        named = FILE.match(block)
        if named:
            (package / named[1]).write_text(block, encoding="utf-8")
        elif language == "python":
            done = python(["-c", block], site, work)
            assert done.returncode == 0, f"{block}\n{done.stderr}"
        else:
            _typed(block, package, site, work)
    assert (work / "looks.png").stat().st_size > 1000
    assert (work / "report" / "report.html").stat().st_size > 1000


def _typed(block: str, package: Path, site: Path, work: Path) -> None:
    """Lines that a user types; pip needs a network, so its work is done by hand."""
    for line in block.splitlines():
        command, *arguments = shlex.split(line)
        if line == "pip install -e .":
            install(package, site)
        elif arguments[0] == "serve":
            assert answers(arguments, site, work)
        else:
            assert command == "saccade"
            saccade_command(arguments, site, work)


def test_the_page_is_linked_from_the_readme():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "(docs/bring-your-own-connector.md)" in readme


@pytest.mark.parametrize("group", ["parts", "policies", "exams", "metrics", "models", "backends"])
def test_every_entry_point_group_is_on_the_page(group: str):
    assert f"`saccade.{group}`" in PAGE
