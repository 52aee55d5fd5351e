"""The part of the report that judges policies: what each is better or worse by, and how fitted ladders did."""

from saccade.evaluation.policies import PairedDifference, Policies, Verdict
from saccade.report import formatting as words
from saccade.report.html_tables import scroll
from saccade.report.markup import plain, tag
from saccade.report.policies_table import better, facts, figure, points
from saccade.tasks.exam import Scale

INTRO = (
    "Each policy against single looks on the same questions: paired differences in points of accuracy with their 95 % "
    "intervals, in bold where the interval is above 0. It has to beat a smaller picture with as many tokens as it took "
    "in the mean (or the whole picture once, where it took more), and the best single look with no more."
)
LADDER = (
    "Certainty against accuracy of the first level, and how many of the surest answers are wrong. The promise holds "
    "for questions that come from where the calibration questions came from."
)


def judged(found: Policies) -> str:
    """A section with the verdicts as a table, and a figure with its facts for each fitted ladder."""
    return tag(
        "section",
        tag("h2", "Looking again"),
        tag("p", INTRO, class_="intro"),
        scroll("Verdicts on policies", _verdicts(found)),
        *(_ladder(found, place) for place in range(len(found.cascades))),
    )


def _verdicts(found: Policies) -> str:
    heads = [
        tag("th", head, scope="col", class_="word" if head == "against" else "number")
        for head in ("policy", "tokens", "looks", "against", "at", *found.scales)
    ]
    lines = [
        _line(one, against, found.scales, above=place == 0)
        for one in found.verdicts
        for place, against in enumerate(filter(None, (one.resize, one.best)))
    ]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *lines))


def _line(one: Verdict, against: PairedDifference, scales: tuple[Scale, ...], *, above: bool) -> str:
    """A policy's name and cost stand in the first of its lines alone."""
    name = tag("th", *((tag("span", plain(one.policy)), tag("small", plain(one.reader))) if above else ()), scope="row")
    cost = (words.tokens(one.visual_tokens), words.significant(one.looks)) if above else ("", "")
    changes = [against.change(scale) for scale in scales]
    cells = [tag("b", points(change)) if better(change) else points(change) for change in changes]
    return tag(
        "tr",
        name,
        *(tag("td", cell, class_="number") for cell in cost),
        tag("td", plain(against.reader), " ", tag("small", plain(against.policy))),
        *(tag("td", cell, class_="number") for cell in (words.tokens(against.visual_tokens), *cells)),
        class_="reader parted" if above else "reader",
    )


def _ladder(found: Policies, place: int) -> str:
    cascade = found.cascades[place]
    told = [tag("dt", plain(what)) + tag("dd", plain(said)) for what, said in facts(cascade)]
    title = f"{cascade.model}: the ladder, fitted to {cascade.labels:,} answers of {cascade.calibration}"
    return (
        tag("h3", plain(title))
        + tag("p", LADDER, class_="intro")
        + tag("div", tag("figure", figure((cascade,)), class_="ladder"), tag("dl", *told), class_="measured")
    )
