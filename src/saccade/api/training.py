"""Training as a function: what the command line and a notebook call."""

from collections.abc import Callable, Sequence
from pathlib import Path

from saccade.api.comparing import Compared, results_folder, stored
from saccade.api.participants import REFERENCE
from saccade.backends.open import open_model
from saccade.backends.placement import AUTO
from saccade.core.interface.arguments import function, instance, path, text, texts
from saccade.core.interface.progress import Progress, StageProgress
from saccade.evaluation.candidates import Model
from saccade.evaluation.compare import ComparisonPlan
from saccade.evaluation.compare import compare as run_compare
from saccade.tasks.scenes import RESOLVABLE, Scenes
from saccade.training.compute import compute_of
from saccade.training.demo import demo_name, retrain
from saccade.training.family import train_family
from saccade.training.recipe import claim, recipe_of

Announce = Callable[[str], object]
"""Called with lines for the user."""
DEMO_PICTURES = 80
"""Pictures on which a connector that was trained again is compared with the shipped one."""


def _quiet(line: str) -> None:
    del line


def train_demo(
    connector: str,
    *,
    out: str | Path,
    device: str = AUTO,
    dtype: str = AUTO,
    tell: StageProgress | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Train one connector again from scratch and compare it with the shipped one on a short benchmark.

    ``device`` and ``dtype`` as in ``train``; both are compared on that device, in float32.
    """
    compute = compute_of(device, dtype)
    name = demo_name(connector)
    folder = results_folder(out)
    fresh = retrain(name, Path(out), tell or StageProgress(), compute=compute)
    retrained, where = f"{name}-retrained", str(compute.device)
    models = {
        one: Model(one, {0: open_model(one, device=where)}, baseline=one == REFERENCE) for one in (REFERENCE, name)
    }
    models[retrained] = Model(retrained, {0: open_model(fresh, device=where, name=retrained)})
    plan = ComparisonPlan(
        exam=Scenes("test", DEMO_PICTURES),
        models=models,
        reference=REFERENCE,
        budgets=(16,),
        resolvable=RESOLVABLE,
    )
    return stored(run_compare(plan, progress=progress), folder)


def train(
    recipe: str,
    *,
    out: str | Path,
    changes: Sequence[str] = (),
    device: str = AUTO,
    dtype: str = AUTO,
    tell: StageProgress | None = None,
    announce: Announce = _quiet,
) -> Path:
    """Train the embedded family by a recipe, and return the folder of the trained models.

    Checkpoints and the resolved recipe lie in ``out``; a run that was stopped resumes from there.

    Args:
        recipe: A shipped recipe's name, or the path of a YAML file.
        out: A folder.
        changes: Changes to the recipe, such as ``vision.steps=100``.
        device: Where training runs: auto (cuda or mps where there is one), cpu, cuda or mps. A run may resume on
            another device.
        dtype: What the forward pass runs in, by autocast: auto (bfloat16 on a cuda device that has it, else float32),
            float32, bfloat16, or float16 on cuda. Weights are float32.
        tell: Told of the stages' progress.
        announce: Called with lines for the user.

    Raises SaccadeError, before anything is written, for a recipe or a device that is not there, and for the name of a
    study: those are run by ``python -m research``.
    """
    folder = path("out", out)
    results_folder(folder)
    if tell is not None:
        instance("tell", tell, StageProgress, "a saccade.core.interface.progress.StageProgress")
    function("announce", announce)
    plan, data = recipe_of(text("recipe", recipe), texts("changes", changes))
    compute = compute_of(device, dtype)
    announce(claim(folder, data))
    announce(f"trains on {compute}, weights in float32")
    train_family(plan, data, folder, folder / "family", tell or StageProgress(), announce, compute)
    return folder / "family"
