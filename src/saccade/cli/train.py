"""``saccade train``: the embedded family, the models of a study, or one connector anew."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.progress import Progress

from saccade.cli.arguments import Changes, Device, Dtype, Folder, Name, Recipe
from saccade.cli.console import OUT, bar, importing, refuse
from saccade.cli.help import Help
from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import Tell

HELP = Help(
    usage="[OPTIONS] [RECIPE]",
    arguments=("recipe",),
    groups={
        "what is trained": ("demo", "set"),
        "where it is trained": ("device", "dtype"),
        "output": ("out",),
    },
    examples={
        "One connector again in a few minutes, beside the shipped one": "saccade train --demo resampler",
        "The embedded family with another seed": "saccade train embedded --set seed=1 --out out/seed-1",
    },
)


def train(
    recipe: Recipe = None,
    demo: Name = None,
    out: Folder = Path("out/train"),
    set: Changes = (),
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Train the embedded family or the models of a study by a recipe, or one connector anew.

    Args:
        recipe: A shipped recipe's name (embedded, clips, compression, digits, exits, fixations) or a YAML file.
        demo: A connector to train again from nothing in a few minutes, such as resampler; its point is drawn beside
            the shipped one's.
        out: Folder for checkpoints; a run that was stopped goes on from there.
        set: A change to the recipe, such as vision.steps=100; may be given several times.
        device: Where the embedded family and a demo are trained; auto is a GPU where there is one. Studies are trained
            on the CPU.
        dtype: What the forward pass runs in; auto is bfloat16 on a cuda device that has it, else float32, and float16
            is for cuda alone. Weights are float32.
    """
    if (recipe is None) == (demo is None):
        raise SaccadeError("name a recipe or --demo a connector, one of the two; try: saccade train --demo resampler")
    if recipe is None:
        refuse("changes a recipe, and a demo has none; leave it out, or name a recipe", set=set)
        _demo(str(demo), out, device, dtype)
        return
    with importing():
        from saccade.api import training

    with bar() as shown:
        made = training.train(
            recipe, out=out, changes=set, device=device, dtype=dtype, tell=_Stages(shown), announce=OUT.print
        )
    if made.study is not None:
        OUT.print(training.study_table(made.study))
    OUT.print(f"wrote {made.folder}", highlight=False, soft_wrap=True)


def _demo(connector: str, out: Path, device: str, dtype: str) -> None:
    with importing():
        from saccade.api import training
    from saccade.cli.tables import print_comparison

    with bar() as shown:
        found = training.train_demo(connector, out=out, device=device, dtype=dtype, tell=_Stages(shown))
    print_comparison(found)


class _Stages(Tell):
    """Progress of training stages, the last loss beside the bar."""

    def __init__(self, shown: Progress) -> None:
        self.shown = shown

    def __call__(self, stage: str, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        task = self.shown.add_task(stage, total=steps)

        def report(step: int, terms: Mapping[str, float]) -> None:
            loss = f" · loss {sum(terms.values()):.3f}" if terms else ""
            self.shown.update(task, completed=step, description=f"{stage}{loss}")

        return report
