"""The few-shot study: which examples are told, how answers are scored, what is drawn."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from research.few_shot import study as study
from research.few_shot.study import SCHEMA, Shots, few_shot
from research.few_shot.table import drawing, shots_markdown, shots_table
from saccade.backends.random_init import from_spec, spec_of
from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.runtime.reader import Reader
from saccade.tasks.scenes import Scenes

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(study, "POOL", 6)


def test_examples_of_an_unspelt_question_are_of_its_kind_and_of_other_pictures():
    exam, pool = list(Scenes("test", 3)), list(Scenes("calibration", 6))
    asked = list(study._asked(exam, pool, 3, seed=0))
    assert asked == list(study._asked(exam, pool, 3, seed=0))
    spelt = [item for item in asked if item.spelt]
    assert [item.question for item in spelt] == [question for scene in exam for question in scene.questions]
    unspelt = [item for item in asked if not item.spelt]
    assert [item.question for item in unspelt] == [q for scene in exam for q in scene.questions if q.scale == "gist"]
    for item in unspelt:
        assert {one.kind for _, one in item.examples} <= {item.question.kind}
    for item in asked:
        numbers = [number for number, _ in item.examples]
        assert len(set(numbers)) == len(numbers) <= 3
        for number, one in item.examples:
            assert one in pool[number].questions
    first = [item for item in spelt if item.picture == 0]
    assert len({item.examples for item in first}) == 1


def test_scores_stand_apart():
    exam, pool = list(Scenes("test", 2)), list(Scenes("calibration", 6))
    asked = list(study._asked(exam, pool, 1, seed=0))
    right = np.asarray([item.spelt and item.question.scale == "detail" for item in asked])
    row = study._row("x", 1, asked, right)
    assert (row.detail.accuracy, row.gist.accuracy, row.unspelt.accuracy) == (1.0, 0.0, 0.0)
    assert row.detail.n + row.gist.n + row.unspelt.n == len(asked)
    assert row.unspelt.n == row.gist.n


def flamingo() -> Reader:
    return from_spec(spec_of("flamingo"))


def test_what_is_told_and_what_counts_as_right(monkeypatch):
    """A reader that says what the last example said, and the question's length where there is none."""
    made, told = flamingo(), []

    def ask(encoded, questions, *, shots):
        told.append((questions, [[(shot.question, shot.answer) for shot in row] for row in shots]))
        said = [row[-1].answer if row else str(len(asked)) for (asked,), row in zip(questions, shots, strict=True)]
        return [[Answer(text, (), ())] for text in said]

    monkeypatch.setattr(made, "ask", ask)
    exam, pool = list(Scenes("test", 1)), list(Scenes("calibration", 6))
    asked = list(study._asked(exam, pool, 2, seed=0))
    seen, examples = study._encode(made, exam), study._encode(made, pool)
    right = study._answers(made, asked, seen, examples, 2)
    for item, correct, (question,), row in zip(asked, right, *told[0], strict=True):
        assert question == (item.question.text if item.spelt else "")
        assert [answer for _, answer in row] == [one.answers[0] for _, one in item.examples]
        assert [text for text, _ in row] == [one.text if item.spelt else "" for _, one in item.examples]
        assert correct == (row[-1][1] in item.question.answers)
    assert any(right)
    assert not all(right)
    for count in (0, 1, 2, 3):  # of fewer, the last; of more than there are, all
        study._answers(made, asked, seen, examples, count)
        for item, row in zip(asked, told[-1][1], strict=True):
            wanted = [one.answers[0] for _, one in item.examples]
            assert [answer for _, answer in row] == (wanted[-count:] if count else [])


def test_a_run_is_a_record_a_table_and_a_drawing(tmp_path):
    seen = []
    readers = {"a": flamingo(), "b": flamingo()}
    found = few_shot(readers, counts=(2, 0), pictures=1, progress=lambda *told: seen.append(told))
    assert [(row.reader, row.shots) for row in found.rows] == [("a", 0), ("a", 2), ("b", 0), ("b", 2)]
    assert found.rows[0].detail == found.rows[2].detail
    found.save(tmp_path / "shots.json")
    data = json.loads((tmp_path / "shots.json").read_text())
    assert data["schema"] == SCHEMA
    assert data["rows"][1]["unspelt"]["n"] == found.rows[1].unspelt.n
    assert Shots.from_json(found.to_json()) == found
    with pytest.raises(SaccadeError, match=r"no few-shot study of saccade\.shots/1"):
        Shots.from_json("{}")
    assert seen[-1][0] == "b, 2 shots"
    assert seen[-1][1] == seen[-1][2]
    root = ET.fromstring(drawing(found))
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{name}circle")) == 3 * len(found.rows)
    console = Console(width=100, record=True)
    console.print(shots_table(found))
    text = console.export_text()
    assert "unspelt gist" in text
    assert text.count(" 2 ") == 2


@pytest.mark.parametrize("counts", [(), (-1,), (4,)])
def test_other_numbers_of_examples_are_refused(counts):
    with pytest.raises(SaccadeError, match=r"shots are 0 to 3 examples, got"):
        few_shot({}, counts=counts)


def test_the_page_shows_what_was_measured():
    measured = Shots.from_json((ROOT / "docs" / "shots.json").read_text())
    page = (ROOT / "docs" / "results" / "shots.md").read_text(encoding="utf-8")
    between = page.split("<!-- table: docs/shots.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == shots_markdown(measured).strip()
    assert (ROOT / "docs" / "shots.svg").read_text() == drawing(measured)
