"""``saccade exam``: one image of the generated benchmark, its questions and their answers."""

from json import dumps
from typing import TYPE_CHECKING

from rich.table import Table

from saccade.cli.arguments import Png, Whole
from saccade.cli.console import OUT, importing
from saccade.cli.help import Help

if TYPE_CHECKING:
    import saccade.api.playground


HELP = Help(
    usage="[OPTIONS]",
    groups={"which image": ("seed",), "output": ("out", "json")},
    examples={
        "Draw an image and ask about it": (
            "saccade exam --seed 3 --out scene.png",
            'saccade ask scene.png "What color is the background?"',
        ),
    },
)


def exam(seed: Whole = 0, out: Png = None, json: bool = False) -> None:
    """Draw one image of the generated benchmark, and print its questions with their answers.

    The embedded models were trained on such images, so this is what to try them on.

    Args:
        seed: Which image, from 0. None of them is in the training, calibration or test images.
        out: A PNG to write the image to. Its questions are written beside it, as a .jsonl file that
            saccade compare --data reads.
        json: Print the questions and answers as JSON.
    """
    with importing():
        from saccade.api import playground

    drawn = playground.exam(seed, out)
    if json:
        OUT.out(dumps(drawn.record(), indent=2, ensure_ascii=False), highlight=False)
        return
    OUT.print(_table(drawn))
    for path in drawn.files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _table(drawn: "saccade.api.playground.ExamImage") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("question", "answer", "asks for", "stands at (pixels)"):
        table.add_column(title)
    for question in drawn.questions:
        (box,) = question.evidence
        place = "all of it" if question.scale == "gist" else "({:.0f}, {:.0f}) to ({:.0f}, {:.0f})".format(*box.sides)
        table.add_row(question.text, question.answers[0], question.scale, place)
    return table
