"""Policies at a short exam: rows, verdicts, fitted ladders."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from saccade.api.comparing import compare
from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Results
from saccade.models.local import embedded_model
from saccade.policies.catalogue import EMBEDDED, policy
from saccade.policies.ladder import Ladder
from saccade.policies.once import Once
from saccade.study.again import look_again, trained, twin
from saccade.study.compare import compare as run
from saccade.study.looking import look
from saccade.study.looking import row as row_of
from saccade.study.policies import Policies
from saccade.study.policies_table import cascade_table, drawing, policies_markdown, policies_table
from saccade.study.rows import questions
from saccade.study.sheets import Entrant
from saccade.tasks.exam import is_right
from saccade.tasks.scenes import RESOLVABLE, Scenes


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("out")
    found = compare(
        models=["llava"], policies=["once", "ladder", "zoom-attention"], pictures=8, budgets=(16,), out=out
    )  # fmt: skip
    return found, out


def test_one_look_through_the_loop_is_the_readers_own_row(compared) -> None:
    found, _ = compared
    (reader,) = [row for row in found.results.rows if (row.reader, row.policy) == ("llava", "once")]
    exam, llava = Scenes("test", 8), embedded_model("llava")
    one = look(exam, {"llava": llava}, "once", Once())
    loop = row_of(one, exam, one.right, questions(exam, llava.reader.spec), RESOLVABLE, trained(one))
    assert (loop.visual_tokens, loop.slots) == (reader.visual_tokens, reader.slots) == (256, 256)
    assert (loop.detail, loop.gist, loop.kinds) == (reader.detail, reader.gist, reader.kinds)
    assert loop.flops == reader.flops
    assert loop.flops.predicted == loop.flops.counted
    assert loop.difference.detail is not None
    assert loop.difference.detail.mean == 0


def test_looks_are_predicted_and_counted_alike(compared) -> None:
    found, _ = compared
    for row in found.results.rows:
        assert row.flops.counted == pytest.approx(row.flops.predicted, rel=1e-9), (row.reader, row.policy)


def test_policies_are_rows_beside_their_twin(compared) -> None:
    found, _ = compared
    names = [(row.reader, row.policy) for row in found.results.rows]
    assert ("llava", "zoom-attention") in names
    assert ("llava", "ladder-certified") in names
    ladder = next(row for row in found.results.rows if row.policy == "ladder")
    verdict = next(one for one in found.policies.verdicts if one.policy == "ladder")
    assert verdict.visual_tokens == ladder.visual_tokens
    assert verdict.resize is not None
    assert verdict.resize.visual_tokens >= min(ladder.visual_tokens, 256)


def test_what_is_written_is_read_back(compared) -> None:
    found, out = compared
    names = sorted(path.name for path in out.iterdir())
    assert names == ["ladder-llava.yaml", "policies.json", "policies.svg", "report.html", "results.json"]
    assert Policies.from_json((out / "policies.json").read_text()) == found.policies
    assert Results.from_json((out / "results.json").read_text()) == found.results
    fitted = policy(str(out / "ladder-llava.yaml"))
    assert isinstance(fitted, Ladder)
    assert fitted.levels[0].model == "llava-thin"
    broken = json.loads((out / "policies.json").read_text()) | {"more": 1}
    with pytest.raises(SaccadeError, match="more"):
        Policies.from_json(json.dumps(broken))


def test_the_report_draws_where_policies_looked(compared) -> None:
    _, out = compared
    page = (out / "report.html").read_text()
    assert "llava · zoom-attention" in page


def test_the_report_judges_policies_in_words_and_in_a_figure(compared) -> None:
    found, out = compared
    page = ElementTree.fromstring((out / "report.html").read_text().removeprefix("<!DOCTYPE html>"))
    section = next(one for one in page.iter("section") if one.findtext("h2") == "Looking again")
    lines = section.findall(".//tbody/tr")
    assert len(lines) == sum((one.resize is not None) + (one.best is not None) for one in found.policies.verdicts)
    first, verdict = ["".join(cell.itertext()) for cell in lines[0]], found.policies.verdicts[0]
    assert first[0].startswith(verdict.policy)
    assert first[3].startswith(verdict.resize.reader)
    assert first[5].startswith(f"{100 * verdict.resize.detail.mean:+.1f}")
    heads = section.findall(".//thead/tr/th")
    assert {len(line) for line in lines} == {len(heads)}
    assert len(section.findall(".//figure/svg")) == len(found.policies.cascades) == 1
    assert "labels cannot certify" in "".join(section.itertext())


def test_tables_and_drawing_say_what_was_found(compared) -> None:
    from rich.console import Console

    found, _ = compared
    console = Console(width=160, record=True, file=Path("/dev/null").open("w"))
    console.print(policies_table(found.policies))
    console.print(cascade_table(found.policies.cascades[0]))
    text = console.export_text()
    console.file.close()
    against = found.policies.verdicts[-1].resize
    assert f"{against.policy} at {against.visual_tokens:.0f}" in text
    assert "labels cannot certify" in text
    assert drawing(found.policies).count("<circle") > 10


def test_a_cascade_adds_up(compared) -> None:
    (one,) = compared[0].policies.cascades
    assert one.reached[0] == 1
    assert one.reached[0] >= one.reached[1]
    assert one.expected.reached[0] == 1
    assert one.raw.answers == one.calibrated.answers
    assert one.raw.accuracy == one.calibrated.accuracy
    assert one.labels == sum(len(scene.questions) for scene in Scenes("calibration", 8))


def test_the_first_level_is_judged_on_its_own_model(compared) -> None:
    (one,) = compared[0].policies.cascades
    thin = look(Scenes("test", 8), {"llava-thin": embedded_model("llava-thin")}, "x", Once(side=64))
    assert one.raw.accuracy == pytest.approx(thin.right.mean())


def test_marks_are_those_of_the_exam() -> None:
    exam = Scenes("test", 3)
    found = look(exam, {"llava": embedded_model("llava")}, "once", Once())
    questions = [question for scene in exam for question in scene.questions]
    assert len(found.results) == len(questions)
    for one, right, question in zip(found.results, found.right, questions, strict=True):
        assert is_right(one.outcome.answer.text, question.answers) == right


@pytest.mark.parametrize(("tokens", "square"), [(1, 1), (16, 16), (16.1, 25), (112.4, 121), (300, 256), (0.5, 1)])
def test_a_twin_takes_no_fewer_tokens(tokens: float, square: int) -> None:
    assert twin(tokens, 256) == square


def test_an_impossible_pair_is_refused_before_anything_runs() -> None:
    models = {"resampler-4": embedded_model("resampler-4")}
    with pytest.raises(SaccadeError, match="Attention needs ATTN_LM, which resampler-4 has not"):
        look_again(Scenes("test", 1), None, models, {}, {"zoom-attention": EMBEDDED["zoom-attention"]})


def test_a_ladder_that_nothing_is_fitted_to_runs_as_it_is() -> None:
    reader = embedded_model("llava")
    ladder = EMBEDDED["survey-ladder"]
    exam = Scenes("test", 2)
    entrant = Entrant(reader.reader, "faithful", "x", baseline=True)
    made = run(
        exam,
        {"llava": entrant},
        reference="llava",
        budgets=(16,),
        policies={"ladder": ladder},
        looking={"llava": reader},
    )
    assert made.policies is not None
    assert made.policies.cascades == ()
    assert made.ladders == {}
    assert np.isfinite(made.policies.verdicts[0].looks)


def test_the_readme_shows_what_was_measured() -> None:
    root = Path(__file__).parents[2]
    measured = Policies.from_json((root / "docs" / "policies.json").read_text())
    text = (root / "README.md").read_text()
    between = text.split("<!-- table: docs/policies.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == policies_markdown(measured).strip()
