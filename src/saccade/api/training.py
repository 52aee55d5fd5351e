"""Training as a function: what the command line and a notebook call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.table import Table

from research.clips.model import save as save_unified
from research.clips.study import ClipStudy, clips_table
from research.clips.study import study as study_clips
from research.clips.training import ClipsRecipe, train_clips
from research.compression.study import CompressionStudy, compression_curve, compression_table
from research.compression.study import study as study_compression
from research.compression.training import CompressionRecipe, train_compression
from research.digits.study import DigitStudy, digits_table
from research.digits.study import study as study_digits
from research.digits.training import DigitsRecipe, digits, train_digits
from research.exits.study import ExitStudy, exits_curve, exits_table
from research.exits.study import study as study_exits
from research.exits.training import ExitsRecipe, pieces_of, train_exits
from research.fixations.study import FixationStudy, fixations_curve, fixations_table
from research.fixations.study import study as study_fixations
from research.fixations.training import FixationsRecipe, map_cost, scenes_of, train_fixations
from saccade.api.comparing import REFERENCE, Compared, results_folder, stored
from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.backends.placement import AUTO
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import function, instance, path, text, texts
from saccade.core.interface.progress import Progress, Tell
from saccade.core.records.files import write_whole
from saccade.evaluation.candidates import Model
from saccade.evaluation.compare import Plan
from saccade.evaluation.compare import compare as run_compare
from saccade.tasks.scenes import RESOLVABLE, Scenes
from saccade.towers.stem import StemTower
from saccade.training.compute import Compute, check_study, compute_of
from saccade.training.demo import demo_name, retrain
from saccade.training.family import train_family
from saccade.training.recipe import recipe_of
from saccade.training.stages import FamilyRecipe

Study = ClipStudy | DigitStudy | CompressionStudy | ExitStudy | FixationStudy
"""What is measured of what a recipe trained, where the recipe is a study."""
Announce = Callable[[str], object]
"""Called with lines for the user."""


def _quiet(line: str) -> None:
    del line


DEMO_PICTURES = 80
"""Pictures on which a connector that was trained again is compared with the shipped one."""


def train_demo(
    connector: str,
    *,
    out: str | Path,
    device: str = AUTO,
    dtype: str = AUTO,
    tell: Tell | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Train one connector again from scratch and compare it with the shipped one on a short benchmark.

    ``device`` and ``dtype`` as in ``train``; both are compared on that device, in float32.
    """
    compute = compute_of(device, dtype)
    name = demo_name(connector)
    folder = results_folder(out)
    fresh = retrain(name, Path(out), tell or Tell(), compute=compute)
    retrained, where = f"{name}-retrained", str(compute.device)
    models = {
        one: Model(one, {0: open_model(one, device=where)}, baseline=one == REFERENCE) for one in (REFERENCE, name)
    }
    models[retrained] = Model(retrained, {0: open_model(fresh, device=where, name=retrained)})
    plan = Plan(
        exam=Scenes("test", DEMO_PICTURES),
        models=models,
        reference=REFERENCE,
        budgets=(16,),
        resolvable=RESOLVABLE,
    )
    return stored(run_compare(plan, progress=progress), folder)


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left in ``folder``, and what was measured of it where the recipe says so."""

    folder: Path
    study: Study | None = None


def train(
    recipe: str,
    *,
    out: str | Path,
    changes: Sequence[str] = (),
    device: str = AUTO,
    dtype: str = AUTO,
    tell: Tell | None = None,
    announce: Announce = _quiet,
) -> Trained:
    """Run a recipe, by shipped name or YAML path: the embedded family's, or a study's, which it measures too.

    Checkpoints and the resolved recipe lie in ``out``; a run that was stopped goes on from there.

    Args:
        recipe: A shipped recipe's name, or the path of a YAML file.
        out: A folder.
        changes: Changes to the recipe, such as ``vision.steps=100``.
        device: Where the embedded family is trained: auto (cuda or mps where there is one), cpu, cuda or mps. A run
            may resume on another device. Studies are trained and measured on the CPU in float32 alone.
        dtype: What the forward pass runs in, by autocast: auto (bfloat16 on a cuda device that has it, else float32),
            float32, bfloat16, or float16 on cuda. Weights are float32.
        tell: Told of the stages' progress.
        announce: Called with lines for the user.

    Raises SaccadeError, before anything is written, for a recipe or a device that is not there.
    """
    folder = path("out", out)
    results_folder(folder)
    if tell is not None:
        instance("tell", tell, Tell, "a saccade.core.interface.progress.Tell")
    function("announce", announce)
    plan, data = recipe_of(text("recipe", recipe), texts("changes", changes))
    if not isinstance(plan, FamilyRecipe):
        check_study(recipe, device, dtype)
        compute = Compute()
    else:
        compute = compute_of(device, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    resolved = yaml.safe_dump(data, sort_keys=False)
    before = folder / "recipe.yaml"
    if before.exists() and before.read_text() != resolved:
        raise SaccadeError(f"{folder} holds a run of another recipe ({before}); train into another folder with --out")
    announce(resolved)
    announce(f"trains on {compute}, weights in float32")
    write_whole(before, resolved)
    if isinstance(plan, ClipsRecipe):
        return _train_clips(plan, folder, tell or Tell())
    if isinstance(plan, DigitsRecipe):
        return _train_digits(plan, folder, tell or Tell())
    if isinstance(plan, CompressionRecipe):
        return _train_compression(plan, folder, tell or Tell())
    if isinstance(plan, ExitsRecipe):
        return _train_exits(plan, folder, tell or Tell())
    if isinstance(plan, FixationsRecipe):
        return _train_fixations(plan, folder, tell or Tell())
    train_family(plan, data, folder, folder / "family", tell or Tell(), announce, compute)
    return Trained(folder / "family")


def _train_clips(plan: ClipsRecipe, folder: Path, tell: Tell) -> Trained:
    """All models, what they measure, and the first seed's for everything as a file."""
    models = train_clips(plan, folder, tell)
    found = study_clips(models)
    save_unified(models[None, plan.seeds[0]], folder / "unified.safetensors")
    found.save(folder / "clips.json")
    return Trained(folder, found)


def _train_digits(plan: DigitsRecipe, folder: Path, tell: Tell) -> Trained:
    learned, asked = digits()
    found = study_digits(train_digits(plan, learned, folder, tell), learned, asked)
    found.save(folder / "digits.json")
    return Trained(folder, found)


def _train_compression(plan: CompressionRecipe, folder: Path, tell: Tell) -> Trained:
    found = study_compression(train_compression(plan, folder, tell))
    found.save(folder / "compression.json")
    write_whole(folder / "compression.svg", compression_curve(found))
    return Trained(folder, found)


def _train_exits(plan: ExitsRecipe, folder: Path, tell: Tell) -> Trained:
    """All models, begun as the shipped tower, and what they measure, with its curve."""
    tower = embedded("llava").tower
    assert isinstance(tower, StemTower)
    learned, held, asked = pieces_of(plan, folder, tell)
    found = study_exits(train_exits(plan, tower, learned, folder, tell), plan, held, asked)
    found.save(folder / "exits.json")
    write_whole(folder / "exits.svg", exits_curve(found))
    return Trained(folder, found)


def _train_fixations(plan: FixationsRecipe, folder: Path, tell: Tell) -> Trained:
    """All models on the maps of the shipped tower, and what they measure, with its curve."""
    tower = embedded("llava").tower
    assert isinstance(tower, StemTower)
    learned, held, asked = scenes_of(tower, plan, folder, tell)
    models = train_fixations(plan, learned, folder, tell)
    found = study_fixations(models, plan, held, asked, map_cost(tower.spec).flops)
    found.save(folder / "fixations.json")
    write_whole(folder / "fixations.svg", fixations_curve(found))
    return Trained(folder, found)


def study_table(found: Study) -> Table:
    """What was measured, as a table."""
    if isinstance(found, ClipStudy):
        return clips_table(found)
    if isinstance(found, ExitStudy):
        return exits_table(found)
    if isinstance(found, FixationStudy):
        return fixations_table(found)
    return digits_table(found) if isinstance(found, DigitStudy) else compression_table(found)
