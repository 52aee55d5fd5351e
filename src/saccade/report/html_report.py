"""The report: one HTML file that needs nothing but itself.

It is well-formed XML as well, so that a test can read it and a mistake in its tags cannot hide.
"""

from collections.abc import Sequence
from importlib import resources

from saccade.evaluation.policies import Policies
from saccade.evaluation.results import Results
from saccade.evaluation.shown import ShownImage
from saccade.report import formatting as words
from saccade.report.charts.frontier import frontier
from saccade.report.cheapest import sentences
from saccade.report.gallery import gallery
from saccade.report.html_policies import judged
from saccade.report.html_tables import kinds_table, rows_table
from saccade.report.markup import leaf, plain, tag

TITLE = "What a picture costs, and what you lose"
INTRO = (
    "A language model reads a picture as a run of visual tokens. Each reader here spends a different number of them, "
    "or spends them on different places, and all answer the same questions. Detail asks for one small place, gist for "
    "the picture as a whole."
)
INTRO_OWN = (
    "A language model reads a picture as a run of visual tokens. Each reader here spends a different number of them, "
    "or spends them on different places, and all answer your questions."
)
BASELINES = {
    "resize": "The resize rows are the honest baseline: the reader is given a smaller picture, and nothing else is "
    "done.",
    "random": "Random and uniform read some of its tokens, selected at random or evenly.",
}
EARNED = "A method earns its place where it stands above them at the same number of tokens."
DEFINITIONS = (
    ("Visual token", "a vector with picture content that the language model reads."),
    ("Slot", "a position that the picture takes in the language model's sequence: tokens, separators and markers."),
    (
        "Interval",
        "whiskers and ± show 95 %: a bootstrap that draws whole pictures (each under its training seed), not single "
        "questions. Where (almost) all pictures agree, the interval is widened by what so few of them leave open.",
    ),
    ("Difference", "in percentage points to the full-token reader on the same questions."),
    (
        "FLOPs",
        "two for each multiply-add of matrix products, convolutions and attention, per question; predicted from the "
        "reader's shape, counted while it ran.",
    ),
    ("Milliseconds", "wall clock per question, the median and the 95th percentile, on the machine below."),
    ("Memory", "weights and key-value cache at their peak, predicted, in units of 10⁶ bytes."),
    (
        "Fidelity",
        "exact: gives the published implementation's outputs on the same weights; faithful: built from the paper, with "
        "nothing to test against; survey: a variant known to differ from the published system; hosted: a model in its "
        "own code or behind a server, untouched.",
    ),
)


def render(results: Results, shown: Sequence[ShownImage], policies: Policies | None = None) -> str:
    """The whole page. ``shown`` may be empty; ``policies`` is what is said of those that looked again."""
    pictures = tag("section", tag("h2", "What each reader saw"), _how_to_look(), gallery(shown)) if shown else ""
    body = tag(
        "main",
        _head(results),
        tag("section", tag("h2", "Accuracy against tokens"), frontier(results)),
        tag("section", tag("h2", "All rows"), _cheapest(results), rows_table(results), _kinds(results)),
        "" if policies is None else judged(policies),
        pictures,
        _measured(results),
    )
    style = resources.files("saccade.report").joinpath("report.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        leaf("meta", charset="utf-8"),
        leaf("meta", name="viewport", content="width=device-width, initial-scale=1"),
        leaf("meta", name="color-scheme", content="light dark"),
        tag("title", plain(f"saccade compare: {results.exam.name}")),
        tag("style", style),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", body), lang="en") + "\n"


def _head(results: Results) -> str:
    exam = results.exam
    line = f"{exam.name} · {exam.questions:,} questions on {exam.pictures:,} pictures · {len(results.rows)} rows"
    intro = INTRO_OWN if results.scales == ("own",) else INTRO
    lead = f"The row to compare with is {results.reference}, which reads every token it makes."
    return tag(
        "header",
        tag("p", plain(line), class_="quiet"),
        tag("h1", TITLE),
        tag("p", plain(" ".join((intro, *_baselines(results), lead))), class_="intro"),
        class_="page",
    )


def _baselines(results: Results) -> list[str]:
    """Of the baselines that there are."""
    ran = {row.policy for row in results.rows}
    told = [sentence for policy, sentence in BASELINES.items() if policy in ran]
    return [*told, EARNED] if told else []


def _cheapest(results: Results) -> str:
    return "".join(tag("p", plain(sentence), class_="intro") for sentence in sentences(results))


def _kinds(results: Results) -> str:
    if not any(row.kinds for row in results.rows):
        return ""
    return tag("details", tag("summary", "By kind of question"), kinds_table(results))


def _how_to_look() -> str:
    told = (
        "Each picture is drawn with the views that a reader took of it (strong outlines) and the source pixels that "
        "each visual token carries (fine boxes), as sharp as the views were; dimmed places were dropped. Tokens by "
        "attention look everywhere in their view, so they have no box of their own; the shade shows what their queries "
        "look at, all together. The orange outline marks where the answer stands."
    )
    return tag("p", told, class_="intro")


def _measured(results: Results) -> str:
    exam, here = results.exam, results.environment
    resolvable = (
        f"print of {exam.resolvable_px:g} tower pixels and more, fixed before training; smaller print is scored apart."
        if exam.resolvable_px is not None
        else "not defined for this exam."
    )
    terms = [*DEFINITIONS[:2], ("Resolvable", resolvable), *DEFINITIONS[2:]]
    facts = [
        ("Exam", exam.name),
        ("Recipe", results.recipe),
        (
            "Software",
            f"saccade {here.saccade}, Python {here.python}, torch {here.torch}, transformers {here.transformers}",
        ),
        ("Machine", f"{here.machine}, {here.threads} threads"),
        ("Time", f"{words.significant(results.seconds)} s for the whole comparison"),
        ("Record", results.schema),
    ]
    if results.price is not None:
        facts.append(("Price", f"{results.price:g} a million prompt tokens; the column counts 1,000 questions"))
    trained = dict.fromkeys((row.reader, row.trained) for row in results.ranked if row.trained)
    readers = [(reader, sentence) for reader, sentence in trained]
    return tag(
        "section",
        tag("h2", "How it was measured"),
        tag(
            "div",
            _list(terms),
            tag("div", _list(facts), tag("h3", "How each reader was trained"), _list(readers)),
            class_="measured",
        ),
    )


def _list(pairs: Sequence[tuple[str, str]]) -> str:
    return tag("dl", *(tag("dt", plain(term)) + tag("dd", plain(told)) for term, told in pairs)) if pairs else ""
