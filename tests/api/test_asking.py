"""Asking, from Python and from the command line, over the embedded readers."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

import saccade
from saccade.api.asking import SCHEMA, Asked
from saccade.cli.main import main
from saccade.core.errors import SaccadeError
from saccade.core.recipe import to_dict
from saccade.policies.catalogue import EMBEDDED, POLICIES, TYPES, policy
from saccade.policies.ladder import Ladder
from saccade.policies.zoom import Attention
from saccade.tasks.scenes import Scene, Scenes

SCENE = next(scene for scene in Scenes("calibration", 20) if any(q.kind == "digit" for q in scene.questions))
QUESTION = next(question for question in SCENE.questions if question.kind == "digit")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    SCENE.image().save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["saccade", "ask", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_question_is_answered_with_its_trace(picture: Path) -> None:
    asked = saccade.ask(picture, QUESTION.text, policy="zoom-attention", changes=("gate=2",))
    assert isinstance(asked, Asked)
    record = asked.record()
    assert record["schema"] == SCHEMA
    assert [look["kind"] for look in record["looks"]][:3] == ["ask", "watch", "ask"]
    assert record["visual_tokens"] == sum(look["visual_tokens"] for look in record["looks"]) > 256
    assert record["flops"] == sum(look["predicted"]["flops"] for look in record["looks"])
    for look in record["looks"]:
        assert look["predicted"]["visual_tokens"] == look["visual_tokens"]
        assert look["reason"]
        for left, top, right, bottom in look["views"]:
            assert 0 <= left < right <= SCENE.size.width
            assert 0 <= top < bottom <= SCENE.size.height


def test_one_look_says_what_the_reader_says(picture: Path) -> None:
    from saccade.models.embedded import embedded

    reader = embedded("pool-16")
    ((said,),) = reader.ask(reader.encode([SCENE.image()]), [[QUESTION.text]], top=5)
    asked = saccade.ask(SCENE.image(), QUESTION.text, model="pool-16")
    assert asked.result.outcome.answer == said
    assert asked.result.trace.visual_tokens == 16


@pytest.mark.parametrize("name", ["once", "ladder", "survey-ladder", "zoom-values", "zoom-tree", "scales", "refine"])
def test_every_policy_that_the_embedded_reader_can_run_runs(picture: Path, name: str) -> None:
    asked = saccade.ask(picture, QUESTION.text, policy=name)
    assert asked.result.outcome.answer.text
    assert 0 <= (asked.result.outcome.confidence or 0) <= 1


@pytest.mark.parametrize("name", ["self-box", "tools"])
def test_a_policy_that_it_cannot_run_is_refused_by_name(picture: Path, name: str) -> None:
    with pytest.raises(SaccadeError, match=r"needs .*INSTRUCT.*which llava has not"):
        saccade.ask(picture, QUESTION.text, policy=name)


def test_the_command_prints_an_answer_a_table_and_a_picture(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = picture.parent / "path.png"
    done = run(
        monkeypatch, picture, QUESTION.text, "--policy", "zoom-attention", "--set", "gate=2", "--show", shown
    )  # fmt: skip
    out = capsys.readouterr().out
    assert done == 0
    assert "the whole picture" in out
    assert "in all" in out
    with Image.open(shown) as drawn:
        assert drawn.width > 1000
        assert len(drawn.resize((64, 64)).getcolors(4096)) > 50


@pytest.mark.parametrize(("name", "several"), [("survey-ladder", False), ("ladder", True)])
def test_the_table_names_models_where_several_looked(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, several: bool
) -> None:
    never = [f"levels.{level}.threshold=2" for level in range(2)]
    assert run(monkeypatch, picture, QUESTION.text, "--policy", name, "--set", never[0], "--set", never[1]) == 0
    out = capsys.readouterr().out
    assert ("llava-thin" in out) == several
    assert (" model " in out) == several


def test_json_goes_to_standard_output_alone(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, picture, QUESTION.text, "--json", "--budget", "256") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["visual_tokens"] == 256
    assert err == ""


@pytest.mark.parametrize(("arguments", "said"), [
    (("--policy", "zoom-atention"), "did you mean zoom-attention"),
    (("--model", "lava"), "did you mean llava"),
    (("--budget", "-1"), "at least 1 visual token, got -1"),
    (("--budget", "100"), "the budget is 100"),
    (("--set", "gat=1"), "did you mean gate"),
    (("--policy", "once", "--set", "side=3"), "no whole patch"),
    (("--show", "path.gif"), "writes a PNG"),
    (("--show", "no/folder/path.png"), "there is no folder"),
    (("--policy", "gone.yaml"), "there is no file gone.yaml"),
])  # fmt: skip
def test_bad_input_is_one_clear_error(
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(picture.parent)
    policy_ = () if "--policy" in arguments else ("--policy", "zoom-attention")
    assert run(monkeypatch, picture, QUESTION.text, *policy_, *arguments) == 2
    _out, err = capsys.readouterr()
    assert said in " ".join(err.split())
    assert "Traceback" not in err
    assert list(picture.parent.iterdir()) == [picture]


def test_an_empty_question_and_a_missing_picture_are_refused(picture: Path) -> None:
    with pytest.raises(SaccadeError, match="the question is empty"):
        saccade.ask(picture, "  ")
    with pytest.raises(SaccadeError, match=r"gone\.png"):
        saccade.ask(picture.parent / "gone.png", "What?")


@pytest.mark.parametrize("known", [POLICIES, EMBEDDED])
@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_travels_as_data(known: dict, name: str, tmp_path: Path) -> None:
    import yaml

    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(to_dict(known[name], TYPES)))
    assert policy(str(tmp_path / "mine.yaml")) == known[name]


def test_a_policy_in_json_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(to_dict(POLICIES["zoom-tree"], TYPES)))
    assert policy(str(tmp_path / "mine.json")) == POLICIES["zoom-tree"]


def test_changes_reach_inside() -> None:
    made = policy("ladder", ("levels.0.threshold=0.25", "levels.2.policy.gate=0.5"), embedded=True)
    assert isinstance(made, Ladder)
    assert made.levels[0].threshold == 0.25
    assert isinstance(made.levels[2].policy, Attention)
    assert made.levels[2].policy.gate == 0.5


def test_a_file_that_holds_no_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: windows\n")
    with pytest.raises(SaccadeError, match="holds a Windows, which is no policy"):
        policy(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("number", [0, 1])
def test_the_readmes_commands_run_as_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("saccade ask ")]
    assert len(commands) == 2
    Scene("calibration", 30).image().save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *shlex.split(commands[number])[2:]) == 0
    out = capsys.readouterr().out
    if number == 0:
        assert out.startswith("8 ")
        assert (tmp_path / "looks.png").stat().st_size > 10_000
    else:
        assert json.loads(out)["answer"] == Scene("calibration", 30).background
