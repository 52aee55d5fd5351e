"""Pictures for the report: what each candidate saw of them, and what it said."""

from collections.abc import Mapping, Sequence

from PIL import Image

from saccade.core.backend import Description, Job
from saccade.core.ledger import Ledger
from saccade.core.request import shown
from saccade.core.view import Layout
from saccade.evaluation.answered import Answered
from saccade.evaluation.candidates import ONCE
from saccade.evaluation.ladders import RIGHT
from saccade.evaluation.runner import PosedQuestion, Runner
from saccade.evaluation.scoring import Entry, Resolved
from saccade.evaluation.shown import ShownImage, ShownLook
from saccade.views.image_region import extent

PICTURES = 4
"""Pictures that the report shows."""
MIDDLE = 16
"""The budget whose baselines are shown; all of them would crowd the pictures."""


def pictures_shown(runner: Runner, entries: Sequence[Entry], heights: Resolved) -> tuple[ShownImage, ...]:
    """A few pictures with the candidates' looks at them, text from large to small."""
    numbers = {one.key: number for number, one in enumerate(runner.posed)}
    drawn = [one for one in entries if not one.baseline or one.candidate.budget == MIDDLE]
    made = []
    for posed in picks(runner.posed, heights):
        image = posed.picture.image()
        looks = [_seen(runner, entry, posed, image, entry.answers[0][numbers[posed.key]]) for entry in drawn]
        made.append(ShownImage(posed.picture.name, image, posed.question, tuple(looks)))
    return tuple(made)


def picks(posed: Sequence[PosedQuestion], heights: Mapping[tuple[str, int], float]) -> list[PosedQuestion]:
    """The first question of a few pictures: text from large to small, the rest as it comes."""
    candidates = [one for one in posed if one.place == 0 and one.question.scale != "gist"]
    candidates.sort(key=lambda one: (-heights[one.key], one.picture.name))
    step = max(1, len(candidates) / PICTURES)
    return [candidates[int(place * step)] for place in range(min(PICTURES, len(candidates)))]


def _seen(runner: Runner, entry: Entry, posed: PosedQuestion, image: Image.Image, answered: Answered) -> ShownLook:
    candidate, size = entry.candidate, posed.picture.size
    request = runner.first_request(candidate, posed)
    found = candidate.backend.describe(Job(runner.sample(posed).key, image, request))
    described = found or Description(Layout(size, ()), Ledger.nothing(size))
    title = candidate.model if candidate.title == ONCE else f"{candidate.model} · {candidate.title}"
    title = title if candidate.budget is None else f"{title} {candidate.budget}"
    path = described.path
    if candidate.detailed:
        looks = answered.result.trace.looks
        crops = [extent(sight, size) for each in looks for sight in shown(each.request) if sight.box]
        path = tuple(dict.fromkeys(crops))
    return ShownLook(
        reader=title,
        answer=answered.said,
        right=answered.error is None and answered.score >= RIGHT,
        layout=described.layout,
        ledger=described.ledger,
        visual_tokens=answered.visual_tokens,
        slots=answered.slots,
        watched=described.watched,
        path=path,
        regions=described.regions,
    )
