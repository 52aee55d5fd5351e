"""One image of the generated benchmark, from Python and from the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import saccade
from saccade.api.playground import FIRST, KEYS, SCHEMA
from saccade.cli.main import main
from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.marking import Marking
from saccade.tasks.data import read
from saccade.tasks.scenes import Scene
from saccade.views.open import open_picture


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["saccade", "exam", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_seed_is_an_image_beyond_all_others() -> None:
    found = saccade.exam(seed=3)
    scene = Scene("calibration", FIRST + 3)
    assert np.array_equal(np.asarray(found.image), np.asarray(scene.image()))
    assert (found.questions, found.files) == (scene.questions, ())
    assert FIRST > 100_000_000
    assert not np.array_equal(np.asarray(saccade.exam(seed=4).image), np.asarray(found.image))


def test_the_files_are_an_exam_of_ones_own(tmp_path: Path) -> None:
    made = saccade.exam(seed=3, out=tmp_path / "scene.png")
    assert made.files == (tmp_path / "scene.png", tmp_path / "scene.jsonl")
    (picture,) = read(tmp_path / "scene.jsonl", open_picture, Marking().check)
    assert np.array_equal(np.asarray(picture.image()), np.asarray(made.image))
    assert [(one.text, one.answers, one.scale, one.evidence) for one in picture.questions] == [
        (one.text, one.answers, one.scale, one.evidence) for one in made.questions
    ]
    assert tuple(json.loads((tmp_path / "scene.jsonl").read_text().splitlines()[0])) == KEYS


def test_what_it_wrote_is_replaced(tmp_path: Path) -> None:
    saccade.exam(seed=3, out=tmp_path / "scene.png")
    made = saccade.exam(seed=4, out=tmp_path / "scene.png")
    assert np.array_equal(np.asarray(open_picture(tmp_path / "scene.png")), np.asarray(made.image))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["scene.jsonl", "scene.png"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scene.jsonl", b'{"image": "scene.png", "question": "mine?", "answer": "yes"}\n'),
        ("scene.jsonl", b"not JSON"),
        ("scene.jsonl", b"\xff\xfe"),
        ("scene.jsonl", b""),
        ("scene.png", b"no PNG"),
        ("scene.png", None),
    ],
)
def test_other_peoples_files_are_left_alone(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is None:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(SaccadeError, match=rf"{name} exists and was not written by saccade exam"):
        saccade.exam(seed=3, out=tmp_path / "scene.png")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(name, before)]


def test_the_command_prints_a_table_and_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "--seed", "3", "--out", "scene.png") == 0
    out = capsys.readouterr().out
    assert "What digit is beside the orange cross?" in out
    assert out.endswith("wrote scene.png\nwrote scene.jsonl\n")


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--seed", "3", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["schema"], record["seed"], record["files"]) == (SCHEMA, 3, [])
    assert {"question": "What color is the background?", "answer": "gray"}.items() <= record["questions"][5].items()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seed", "-1"), "seed is at least 0, got -1"),
        (("--out", "scene.gif"), "--out writes a PNG, got scene.gif"),
        (("--out", "gone/scene.png"), "there is no folder"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
