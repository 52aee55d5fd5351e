"""Asking, from Python and from the command line, over the embedded readers."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import saccade
from saccade.api.asking import SCHEMA, AskResult
from saccade.cli.main import main
from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import to_dict
from saccade.core.request import WHOLE, ImageRegion
from saccade.policies.base import Outcome, Policy, PolicyInput, Run
from saccade.policies.catalogue import EMBEDDED, POLICIES, TYPES, policy
from saccade.policies.ladder import Ladder
from saccade.policies.zoom import AttentionZoom
from saccade.policies.zoom_tree import ZoomTree
from saccade.tasks.scenes import Scenes

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
    assert isinstance(asked, AskResult)
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
    from saccade.backends.embedded.family import embedded

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
    assert "total" in out
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
    (("--budget", "-1"), "budget (visual tokens) is at least 1, got -1"),
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
    with pytest.raises(SaccadeError, match="question is empty; write some words"):
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
    assert isinstance(made.levels[2].policy, AttentionZoom)
    assert made.levels[2].policy.gate == 0.5


def test_a_file_that_holds_no_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: windows\n")
    with pytest.raises(SaccadeError, match="holds a WindowBoxes, which is no policy"):
        policy(str(tmp_path / "mine.yaml"))


# Objects instead of names


@dataclass(frozen=True)
class Twice(Policy):
    """Asks the same twice, the second time about the left half."""

    @property
    def requires(self) -> dict[str, Cap]:
        return {"": Cap.GENERATE}

    def run(self, asked: PolicyInput) -> Run:
        yield asked.look(WHOLE, reason="first")
        half = Box(0, 0, asked.size.width / 2, asked.size.height)
        answer = yield asked.look(ImageRegion(half), reason="second")
        assert isinstance(answer, Answer)
        return Outcome(answer)


class Echo(Backend):
    """Answers with the size of what it is shown."""

    name, caps = "echo", Cap.GENERATE

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        return [JobResult(Answer("{}×{}".format(*job.image.size)), (), None, None) for job in jobs]


def test_a_backend_and_a_policy_of_ones_own(picture: Path) -> None:
    asked = saccade.ask(picture, "What?", model=Echo(), policy=Twice())
    assert asked.result.outcome.answer.text == "{}×{}".format(*SCENE.image().size)
    record = asked.record()
    assert (record["model"], record["policy"]) == ("echo", f"{__name__}.Twice")
    assert [look["reason"] for look in record["looks"]] == ["first", "second"]


def test_a_reader_and_a_policy_of_ours_as_objects(picture: Path) -> None:
    from saccade.backends.embedded.family import embedded

    named = saccade.ask(picture, QUESTION.text, model="pool-16", policy="zoom-tree", changes=("visits=2",))
    given = saccade.ask(picture, QUESTION.text, model=embedded("pool-16"), policy=ZoomTree(visits=2))
    assert given.result.outcome.answer == named.result.outcome.answer
    assert (given.policy, given.record()["recipe"]) == ("zoom-tree", named.record()["recipe"])


def test_images_as_files_bytes_pillow_and_arrays_are_one(picture: Path) -> None:
    image = SCENE.image()
    given = [str(picture), picture, picture.read_bytes(), image, np.asarray(image)]
    answers = [saccade.ask(one, QUESTION.text, model="pool-16").result.outcome.answer for one in given]
    assert answers == answers[:1] * len(given)


def test_devices_and_numbers_are_handed_on(picture: Path) -> None:
    asked = saccade.ask(picture, QUESTION.text, model="pool-16", device="cpu", dtype="float32")
    assert asked.result.outcome.answer == saccade.ask(picture, QUESTION.text, model="pool-16").result.outcome.answer
    with pytest.raises(SaccadeError, match="unknown device 'gpu'"):
        saccade.ask(picture, QUESTION.text, device="gpu")
    with pytest.raises(SaccadeError, match="unknown dtype 'int4'"):
        saccade.ask(picture, QUESTION.text, dtype="int4")


def test_changes_are_not_for_objects(picture: Path) -> None:
    with pytest.raises(SaccadeError, match="got 'gate=2' beside a Policy"):
        saccade.ask(picture, "What?", policy=ZoomTree(), changes=("gate=2",))


def test_wrong_types_are_refused_in_our_words(picture: Path) -> None:
    """In an interpreter of its own, where annotations are not checked."""
    code = f"""
import saccade
from saccade.core.errors import SaccadeError
right = dict(image={str(picture)!r}, question="What?")
wrong = [
    dict(image=None), dict(image=3), dict(image=[[1]]), dict(question=None), dict(question=7), dict(question=b"a"),
    dict(model=None), dict(model=3), dict(model=["llava"]), dict(policy=None), dict(policy=3), dict(policy=object),
    dict(changes="gate=2"), dict(changes=3), dict(changes=[1]), dict(budget="4"), dict(budget=2.0), dict(budget=True),
    dict(max_tokens=None), dict(max_tokens=0), dict(max_tokens="8"), dict(device=None), dict(device=3), dict(dtype=3),
    dict(revision="main"),
]
for change in wrong:
    try:
        saccade.ask(**(right | change))
    except SaccadeError as error:
        print(change, "->", error)
    else:
        raise AssertionError(change)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 25
