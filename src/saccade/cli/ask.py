"""``saccade ask``: an answer, and where it was looked for."""

from json import dumps
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from saccade.cli.arguments import Changes, Device, Dtype, Image, Number, Png, Question, Whole, Word
from saccade.cli.console import OUT, importing
from saccade.cli.help import Help
from saccade.core.interface.defaults import MAX_TOKENS, MODEL

if TYPE_CHECKING:
    import saccade.api.asking


HELP = Help(
    usage="[OPTIONS] IMAGE QUESTION",
    arguments=("image", "question"),
    groups={
        "model and policy": ("model", "policy", "set"),
        "budgets": ("budget", "max_tokens"),
        "where models run": ("device", "dtype"),
        "output": ("show", "json"),
    },
    examples={
        "Ask an embedded model, on an image that it knows": (
            "saccade exam --seed 3 --out scene.png",
            'saccade ask scene.png "What color is the background?"',
        ),
        "Zoom in where it attends, and draw the looks": (
            'saccade ask scene.png "What color is the background?" --policy zoom-attention --show looks.png'
        ),
        "Ask a server": 'saccade ask photo.jpg "What is written on the sign?" --model http://localhost:8000/v1',
    },
)


def ask(
    image: Image,
    question: Question,
    model: Word = MODEL,
    policy: Word = "once",
    set: Changes = (),
    device: Device = "auto",
    dtype: Dtype = "auto",
    budget: Number = None,
    max_tokens: Whole = MAX_TOKENS,
    show: Png = None,
    json: bool = False,
) -> None:
    """Answer a question about a picture with any model and any looking policy, and show where it looked.

    Args:
        image: A picture.
        question: What to ask about it.
        model: An embedded reader's name, a checkpoint folder or Hub id, or the URL of an OpenAI-compatible server
            (http://host:8000/v1, with #name behind it where it serves several models).
        policy: once, ladder, survey-ladder, zoom-attention, zoom-values, zoom-tree, self-box, scales, refine, tools,
            or a YAML file with a policy.
        set: A change to the policy, such as gate=0.8; may be given several times.
        device: Where models run; auto is a GPU where there is one.
        dtype: Their type of numbers; auto is as they were saved.
        budget: Visual tokens that all looks together may take.
        max_tokens: Tokens that an answer may take.
        show: A PNG to draw the looks into.
        json: Print the answer and its trace as JSON.
    """
    with importing():
        from saccade.api import asking as api

    if show is not None:
        api.png_path(show)
    asked = api.ask(
        image,
        question,
        model=model,
        policy=policy,
        changes=set,
        budget=budget,
        max_tokens=max_tokens,
        device=device,
        dtype=dtype,
    )
    drawn = None if show is None else asked.draw(show)
    if json:
        OUT.out(dumps(asked.record(), indent=2, ensure_ascii=False), highlight=False)
        return
    outcome = asked.result.outcome
    sure = "" if outcome.confidence is None else f"  (confidence {outcome.confidence:.0%})"
    unsure = "  too little confidence to answer; the best guess" if outcome.abstains else ""
    OUT.print(f"{outcome.answer.text}{sure}{unsure}", highlight=False, markup=False)
    OUT.print(_table(asked))
    if drawn is not None:
        OUT.print(f"wrote {drawn}", highlight=False, soft_wrap=True)


def _table(asked: "saccade.api.asking.AskResult") -> Table:
    from saccade.api import asking as api

    table = Table(box=None, pad_edge=False, header_style="bold")
    several = len({look.model for look in asked.result.trace.looks}) > 1
    for title in ("look", *(("model",) if several else ()), "at", "answer", "confidence"):
        table.add_column(title)
    for title in ("visual tokens", "GFLOPs predicted", "ms measured"):
        table.add_column(title, justify="right")
    for look in asked.result.trace.looks:
        tokens = look.visual_tokens
        flops = look.predicted.flops
        table.add_row(
            Text(look.request.reason),
            *((Text(look.model),) if several else ()),
            api.place(look, asked.picture),
            Text(api.answer(look)),
            api.sure(look),
            "unknown" if tokens is None else f"{tokens:,}",
            "unknown" if flops is None else f"{flops / 1e9:.2f}",
            f"{look.ms:.0f}",
        )
    trace = asked.result.trace
    seen = "unknown" if trace.visual_tokens is None else f"{trace.visual_tokens:,}"
    total = "unknown" if trace.flops is None else f"{trace.flops / 1e9:.2f}"
    table.add_row("total", *[""] * (4 if several else 3), seen, total, f"{trace.ms:.0f}", style="bold")
    return table
