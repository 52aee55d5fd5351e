"""What the README, the tutorials and the how-to pages tell people to type runs, and prints what they show."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

import saccade
from tests.docs.blocks import DOCS, ROOT, Block, Command, blocks, commands, same
from tests.docs.session import Session
from tests.servers import Running
from tests.views.files import video

CONNECTOR = DOCS / "tutorials" / "bring-your-own-connector.md"
"""Run in processes of its own, since it installs a package: tests/outside/test_docs.py."""
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("tutorials/*.md")), *sorted(DOCS.glob("how-to/*.md"))]
PAGES.remove(CONNECTOR)
QUESTIONS = ("What digit is in the bottom left corner?", "What color is the background?")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages take for given: a photo, photos, a PDF, a video, questions and a checkpoint."""
    folder = tmp_path_factory.mktemp("files")
    Image.new("RGB", (1920, 1080), "gray").save(folder / "photo.jpg")
    (folder / "photos").mkdir()
    for number, size in enumerate([(640, 480), (1024, 768)]):
        Image.new("RGB", size, "gray").save(folder / "photos" / f"{number}.png")
    Image.new("RGB", (300, 400), "white").save(folder / "scan.pdf")
    video(folder / "clip.mp4", frames=30)
    saccade.exam(3, out=folder / "scene.png")
    lines = (folder / "scene.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if any(question in line for question in QUESTIONS)]
    (folder / "mine.jsonl").write_text("".join(kept), encoding="utf-8")
    saccade.save_pretrained(saccade.load("llava"), folder / "my-llava")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(
    page: Path,
    files: Path,
    ours: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    here = tmp_path / "here"
    shutil.copytree(files, here)
    monkeypatch.chdir(here)
    session = Session(page.relative_to(ROOT), ours.url, monkeypatch, capsys)
    for block in blocks(page):
        if block.runs:
            session.run(block)
    for line in in_tables(page):
        session.type(Command(line), 0, f"{page}, a table")
    for _, host, port, _ in session.served:
        assert (host, port) == ("127.0.0.1", 8000)


def in_tables(page: Path) -> list[str]:
    """Commands of ours that stand in the tables of the README: its first screen is to be typed."""
    if page.name != "README.md":
        return []
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [command for row in rows for command in re.findall(r"`(saccade [^`]+)`", row)]


def test_the_readme_begins_with_commands_that_are_run():
    assert len(in_tables(ROOT / "README.md")) == 3
    assert any(block.language == "console" for block in blocks(ROOT / "README.md"))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_fence_is_read_and_every_reason_is_given(page: Path):
    text = page.read_text(encoding="utf-8")
    assert 2 * len(blocks(page)) == len(re.findall(r"^```", text, re.MULTILINE))
    assert all(block.note.removeprefix("not run: ") for block in blocks(page) if not block.runs)


# How blocks are read


def read(tmp_path: Path, text: str) -> Block:
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    (block,) = blocks(tmp_path / "page.md")
    return block


def test_commands_of_sh_lose_their_comments(tmp_path: Path):
    block = read(tmp_path, "first\n\n```sh\nsaccade plan a \\\n  b    # so it is\n\nsaccade models\n```\n")
    assert [command.line for command in commands(block)] == ["saccade plan a    b", "saccade models"]
    assert (block.line, block.status, block.runs) == (4, 0, True)


def test_commands_of_console_have_outputs(tmp_path: Path):
    block = read(tmp_path, "<!-- exit status 1 -->\n```console\n$ saccade a\none\ntwo\n$ saccade b\n```\n")
    assert commands(block) == [Command("saccade a", "one\ntwo\n"), Command("saccade b", "")]
    assert block.status == 1


def test_a_block_that_is_not_run(tmp_path: Path):
    assert not read(tmp_path, "<!-- not run: takes minutes -->\n```sh\nmake demo\n```\n").runs


@pytest.mark.parametrize(
    ("shown", "alike"),
    [
        ("", True),
        ("a 1 b\n──\nc\n", True),
        ("a   1 b\n─\n\n  c\n", True),
        ("…\nc\n", True),
        ("a … b\n…\n", True),
        ("a 1 b\n…\n", True),
        ("a 2 b\n…\n", False),
        ("a 1 b\n", False),
        ("…\nb\n", False),
    ],
)
def test_what_is_shown_is_what_is_printed(shown: str, alike: bool):
    assert same(shown, "a 1 b  \n─────\n\nc\n") is alike
