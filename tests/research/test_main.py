"""``python -m research``: the list, refusals, and one study from the recipe to its files."""

import subprocess
import sys
from pathlib import Path

import pytest

from research.__main__ import STUDIES, main
from research.digits.run import STUDY as DIGITS
from research.digits.study import DigitStudy
from research.few_shot import study as few_shot
from research.few_shot.run import run as run_few_shot
from research.few_shot.study import Shots
from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import StageProgress
from saccade.training import recipe as product

ROOT = Path(__file__).parents[2]
SHORT = ("schedule.steps=2", "schedule.warmup=1", "seeds=[0]")


class Stages(StageProgress):
    """Keeps the steps that were trained."""

    def __init__(self):
        self.steps = []

    def __call__(self, stage, steps):
        return lambda step, terms: self.steps.append(step)


def study(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["research", *arguments])
    main()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_the_studies_are_listed(monkeypatch, capsys, arguments):
    study(monkeypatch, *arguments)
    said = capsys.readouterr().out
    for name, (_, question) in STUDIES.items():
        assert f"  {name} " in said
        assert question in said


def test_it_runs_as_a_module_and_lists_without_torch():
    code = "import sys, runpy; sys.argv = ['research']; runpy.run_module('research', run_name='__main__'); "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print('torch' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: python -m research STUDY --out DIR")
    assert done.stdout.endswith("False\n")


def test_the_product_knows_the_names_of_all_studies():
    assert sorted(product.STUDIES) == sorted(STUDIES)
    told = (ROOT / "research" / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in told for name in STUDIES)
    assert all(f"`python -m research {name} --out " in told for name in STUDIES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("exit", "--out", "out"), "did you mean exits"),
        (("exits", "--out", "out", "--set", "schedule.stpes=3"), "did you mean steps"),
        (("digits", "--out", "out", "--set", "seeds=[1, 1]"), "different seeds"),
        (("few-shot", "--out", "out", "--counts", "few"), "--counts takes whole numbers"),
        (("few-shot", "--out", "out", "--counts", "40"), "shots are 0 to 32 examples, got 40"),
        (("few-shot", "--out", "out", "--pictures", "0"), "pictures is at least 1, got 0"),
        (("few-shot", "--out", "out", "--models", "flamigo"), "did you mean flamingo"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        study(monkeypatch, *arguments)
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said in told
    assert told.startswith("python -m research: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_what_it_takes(monkeypatch, capsys, name):
    with pytest.raises(SystemExit) as stopped:
        study(monkeypatch, name, "--help")
    assert stopped.value.code == 0
    assert "--out" in capsys.readouterr().out


def test_a_study_trains_measures_stores_and_resumes(tmp_path, monkeypatch, capsys):
    out = tmp_path / "digits"
    changes = [one for change in SHORT for one in ("--set", change)]
    study(monkeypatch, "digits", "--out", str(out), *changes)
    said = capsys.readouterr().out
    found = DigitStudy.from_json((out / "digits.json").read_text())
    assert found.seeds == (0,)
    assert f"wrote {out / 'digits.json'}" in said
    assert "perceiver" in said
    assert "steps: 2" in (out / "recipe.yaml").read_text()

    told = Stages()
    again = DIGITS.run(out, SHORT, tell=told)
    assert again.files == (out / "digits.json",)
    assert told.steps == []  # nothing was left to train
    assert DigitStudy.from_json((out / "digits.json").read_text()) == found
    with pytest.raises(SaccadeError, match="holds a run of another recipe"):
        DIGITS.run(out, ("schedule.steps=3",))


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for run in (DIGITS.run, run_few_shot):
        with pytest.raises(SaccadeError, match="is a file"):
            run(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_few_shot_stores_its_numbers_and_curve(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(few_shot, "POOL", 4)
    study(monkeypatch, "few-shot", "--out", str(tmp_path), "--counts", "0,1", "--models", "flamingo", "--pictures", "1")
    said = capsys.readouterr().out
    found = Shots.from_json((tmp_path / "shots.json").read_text())
    assert [(row.reader, row.shots) for row in found.rows] == [("flamingo", 0), ("flamingo", 1)]
    assert (tmp_path / "shots.svg").read_text().startswith("<svg")
    assert f"wrote {tmp_path / 'shots.svg'}" in said


def test_annotations_are_enforced_while_tests_run():
    with pytest.raises(Exception, match="counts"):
        run_few_shot("out", counts="many")
