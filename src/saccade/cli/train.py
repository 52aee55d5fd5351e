"""``saccade train``: the embedded family, or one connector from scratch."""

from pathlib import Path

from saccade.cli.arguments import Changes, Device, Dtype, Folder, Name, Recipe
from saccade.cli.console import OUT, Stages, bar, importing, refuse
from saccade.cli.help import Help
from saccade.core.errors import SaccadeError

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
    """Train the embedded family by a recipe, or one connector from scratch.

    The studies beside the product are trained from a checkout of the repository: python -m research.

    Args:
        recipe: A shipped recipe's name (embedded) or a YAML file.
        demo: A connector to train from scratch in a few minutes, such as resampler; its point is drawn beside the
            shipped one's.
        out: Folder for checkpoints; a run that was stopped resumes from there.
        set: A change to the recipe, such as vision.steps=100; may be given several times.
        device: Where training runs; auto is a GPU where there is one.
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
            recipe, out=out, changes=set, device=device, dtype=dtype, tell=Stages(shown), announce=OUT.print
        )
    OUT.print(f"wrote {made}", highlight=False, soft_wrap=True)


def _demo(connector: str, out: Path, device: str, dtype: str) -> None:
    with importing():
        from saccade.api import training
    from saccade.cli.tables import print_comparison

    with bar() as shown:
        found = training.train_demo(connector, out=out, device=device, dtype=dtype, tell=Stages(shown))
    print_comparison(found)
