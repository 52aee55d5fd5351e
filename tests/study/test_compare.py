"""Comparing: every row there, every number of it right, on untrained readers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.evaluation.results import Results, Row
from saccade.models import build
from saccade.models.embedded import embedded
from saccade.study.compare import compare
from saccade.study.report import render
from saccade.study.sheets import Entrant
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes


def entrants(*names: str) -> dict[str, Entrant]:
    return {name: Entrant(build(name), "faithful", "not at all", baseline=name == "llava") for name in names}


def find(results: Results, reader: str, policy: str = "once", budget: int | None = None) -> Row:
    return next(r for r in results.rows if (r.reader, r.policy, r.budget) == (reader, policy, budget))


@pytest.fixture(scope="module")
def found() -> tuple[Results, list[object]]:
    made = compare(
        Scenes("test", 12), entrants("llava", "llava-uhd"), reference="llava", budgets=(4, 1), resolvable=3.0
    )
    return made.results, list(made.shown)


def test_readers_and_mandatory_rows_are_there(found: tuple[Results, list[object]]) -> None:
    rows = {(row.reader, row.policy, row.budget) for row in found[0].rows}
    baselines = {("llava", policy, budget) for policy in ("resize", "random", "uniform") for budget in (4, 1)}
    assert rows == {("llava", "once", None), ("llava-uhd", "once", None)} | baselines


def test_equal_tokens_in_every_baseline_of_a_budget(found: tuple[Results, list[object]]) -> None:
    for row in found[0].rows:
        if row.budget is not None:
            assert row.visual_tokens == row.budget


def test_questions_add_up(found: tuple[Results, list[object]]) -> None:
    results = found[0]
    for row in results.rows:
        assert row.detail is not None
        assert row.gist is not None
        assert row.detail.n + row.gist.n == results.exam.questions
        by_height = [row.kinds[kind].n for kind in ("digit (resolvable)", "digit (small print)") if kind in row.kinds]
        assert row.kinds["digit"].n == sum(by_height)
        assert row.flops.counted == pytest.approx(row.flops.predicted)
        assert row.ms.p50 > 0


def test_dropping_saves_the_language_model_and_resizing_the_tower_too(found: tuple[Results, list[object]]) -> None:
    whole, dropped, resized = (
        find(found[0], "llava"),
        find(found[0], "llava", "random", 4),
        find(found[0], "llava", "resize", 4),
    )
    assert resized.flops.predicted < dropped.flops.predicted < whole.flops.predicted
    assert find(found[0], "llava").difference.detail is None
    assert dropped.difference.detail is not None


def test_the_report_draws_what_was_seen(found: tuple[Results, list[object]]) -> None:
    results, shown = found
    page = render(results, shown)  # type: ignore[arg-type]
    assert "llava-uhd" in page
    assert 1 <= len(shown) <= 4


def test_equal_arguments_give_equal_answers() -> None:
    twice = [compare(Scenes("test", 6), entrants("llava"), reference="llava", budgets=(4,)).results for _ in range(2)]
    assert [(r.detail, r.gist, r.difference) for r in twice[0].rows] == [
        (r.detail, r.gist, r.difference) for r in twice[1].rows
    ]
    assert twice[0].recipe == twice[1].recipe


@dataclass
class Own:
    """One picture, whose answer is whatever the reader says."""

    name: str
    questions: tuple[Question, ...]
    size: Size = field(default_factory=lambda: Size(50, 40))

    def image(self) -> Image.Image:
        return Image.new("RGB", (50, 40), (9, 90, 200))


@dataclass
class OwnExam:
    """Pictures as given."""

    pictures: list[Own]
    name: str = "own"

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Own]:
        return iter(self.pictures)


def test_right_answers_count_as_right() -> None:
    reader = build("llava")
    picture = Own("a", (Question("What is this?", ("no such answer",), "own", "own"),))
    said = reader.ask(reader.encode([picture.image()]), [["What is this?"]])[0][0].text
    right = Own("b", (Question("What is this?", (said, "x"), "own", "own"),))
    results = compare(OwnExam([picture, right]), {"llava": Entrant(reader, "exact", "no")}, reference="llava").results
    own = find(results, "llava").own
    assert own is not None
    assert (own.n, own.correct) == (2, 1 if said.strip().strip(".") else own.correct)


def test_seeds_are_pooled_and_clustered_apart() -> None:
    readers = {seed: build("llava", seed=seed) for seed in (0, 1)}
    single = {
        s: compare(Scenes("test", 8), {"llava": Entrant(r, "exact", "no", seed=s)}, reference="llava").results
        for s, r in readers.items()
    }
    pooled = Entrant(readers[0], "exact", "no", others=((1, readers[1]),))
    made = compare(Scenes("test", 8), {"llava": pooled}, reference="llava")
    both, shown = made.results, made.shown
    row, ones = find(both, "llava"), [find(single[seed], "llava") for seed in (0, 1)]
    assert row.seed == (0, 1)
    assert row.gist is not None
    assert row.gist.n == sum(one.gist.n for one in ones if one.gist is not None)
    assert row.gist.correct == sum(one.gist.correct for one in ones if one.gist is not None)
    assert all(len(picture.seen) == 1 for picture in shown)


def test_a_picture_under_another_seed_is_another_draw() -> None:
    reader = embedded("pool-4")
    twice = Entrant(reader, "exact", "no", others=((1, reader),))
    single, pooled = (
        find(compare(Scenes("test", 12), {"llava": entrant}, reference="llava").results, "llava").detail
        for entrant in (Entrant(reader, "exact", "no"), twice)
    )
    assert single is not None
    assert pooled is not None
    assert pooled.accuracy == single.accuracy
    assert single.ci95 is not None
    assert pooled.ci95 is not None
    assert pooled.ci95[1] - pooled.ci95[0] < 0.9 * (single.ci95[1] - single.ci95[0])


def test_refusals() -> None:
    with pytest.raises(SaccadeError, match="takes no part"):
        compare(Scenes("test", 1), entrants("llava-uhd"), reference="llava")
    with pytest.raises(SaccadeError, match="at least 1 visual token, got -1"):
        compare(Scenes("test", 1), entrants("llava"), reference="llava", budgets=(4, -1))
    with pytest.raises(SaccadeError, match=r"below the \d+ visual tokens of llava, got 900; try"):
        compare(Scenes("test", 1), entrants("llava"), reference="llava", budgets=(900,))
    with pytest.raises(SaccadeError, match="asks nothing"):
        compare(OwnExam([Own("a", ())]), entrants("llava"), reference="llava")
