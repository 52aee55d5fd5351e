"""Where training runs: what the names stand for, what is refused, and that batches go where the weights are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import saccade
from saccade.api.training import train, train_demo
from saccade.backends.embedded.family import TOWER
from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import StageProgress
from saccade.specs.connectors.mlp import MlpSpec
from saccade.towers.stem import StemTower
from saccade.training import compute as module
from saccade.training.compute import Compute, compute_of
from saccade.training.family import TrainingRun
from saccade.training.loop import Schedule, TrainingJob, optimisers, run
from saccade.training.match import MatchJob
from saccade.training.recipe import recipe_of
from saccade.training.vision import VisionJob
from tests.training import test_answers, test_foveated, test_match
from tests.training.test_foveated import bank as foveal_bank  # noqa: F401 (a fixture)
from tests.training.test_loop import Line, curve
from tests.training.test_match import bank as match_bank  # noqa: F401 (a fixture)

CPU = torch.device("cpu")
BFLOAT16 = Compute(dtype=torch.bfloat16)


class Moved(Tensor):
    """A tensor that was asked to move, or was made from one."""


class Moves(TorchFunctionMode):
    """Marks what ``Tensor.to`` returns, and refuses losses of what was never moved.

    A matcher makes its own labels where its scores are: ``labels`` says whether they have to be moved.
    """

    def __init__(self, labels: bool) -> None:
        super().__init__()
        self.labels = labels

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func is Tensor.to:
            return made.as_subclass(Moved)
        if func is F.cross_entropy:
            assert all(isinstance(one, Moved) for one in args[: 1 + self.labels])
        return made


def vision() -> VisionJob:
    return VisionJob(StemTower(TOWER), Schedule(steps=1, batch=2))


def answers(name: str, **options: object) -> TrainingJob:
    return test_answers.job(test_answers.route(name, 9), silent=(5,), **options)


@pytest.fixture(params=["vision", "answer", "thin", "episode", "look", "match"])
def job(request: pytest.FixtureRequest) -> tuple[TrainingJob, int]:
    """A job and a step of it."""
    made = {
        "vision": lambda: (vision(), 0),
        "answer": lambda: (answers("llava-uhd"), 0),
        "thin": lambda: (answers("llava", thin=True), 1),
        "episode": lambda: (answers("llava", episodes=True), 1),
        "look": lambda: (test_foveated.job(request.getfixturevalue("foveal_bank"), 2), 0),
        "match": lambda: (test_match.job(request.getfixturevalue("match_bank"), batch=3), 0),
    }
    return made[request.param]()


def entries(found: TrainingJob) -> list[nn.Module]:
    """The modules that a batch goes into."""
    parts = [*found.trained.values(), *(getattr(found, name) for name in ("language", "tower") if hasattr(found, name))]
    return [part for part in parts if not isinstance(part, nn.ModuleDict)]


def test_every_batch_is_moved_before_a_module_reads_it(
    job: tuple[TrainingJob, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, step = job
    read: list[str] = []

    def check(part: nn.Module, args: tuple[object, ...]) -> None:
        given = [one for one in args if isinstance(one, Tensor)]
        assert all(isinstance(one, Moved) for one in given), type(part).__name__
        read.append(type(part).__name__)

    hooks = [part.register_forward_pre_hook(check) for part in entries(found)]
    if isinstance(found, MatchJob):  # its losses are no forward pass
        losses, matcher = found.matcher.losses, found.matcher

        def checked(*args: Tensor, **given: Any) -> Mapping[str, Tensor]:
            check(matcher, args)
            return losses(*args, **given)

        monkeypatch.setattr(matcher, "losses", checked)
    with Moves(labels=not isinstance(found, MatchJob)):
        terms = found.losses(step)
    for hook in hooks:
        hook.remove()
    assert all(isinstance(term, Moved) for term in terms.values())
    assert read


def test_a_step_in_bfloat16_leaves_weights_in_float32(job: tuple[TrainingJob, int]) -> None:
    found, step = job
    seen: dict[str, float] = {}
    shifted = _Shifted(found, step)
    run(shifted, Schedule(steps=1, batch=2), compute=BFLOAT16, report=lambda _, terms: seen.update(terms))
    with torch.no_grad():
        for weight in (weight for part in found.trained.values() for weight in part.parameters()):
            assert weight.dtype == torch.float32
            assert bool(weight.isfinite().all())
    assert seen
    assert all(value == value for value in seen.values())


class _Shifted:
    """A job that begins at a later step."""

    def __init__(self, inner: TrainingJob, first: int) -> None:
        self.inner, self.first = inner, first

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        return self.inner.trained

    def losses(self, step: int) -> Mapping[str, Tensor]:
        assert torch.is_autocast_enabled("cpu")
        return self.inner.losses(step + self.first)


def test_float32_on_the_cpu_is_plain_training_to_the_bit() -> None:
    schedule = Schedule(steps=6, batch=16, lr=0.01, warmup=3)
    ours, plain = Line(), Line()
    run(ours, schedule, compute=compute_of("cpu"))
    makers = optimisers([(f"net.{name}", weight) for name, weight in plain.net.named_parameters()], schedule.lr)
    for step in range(schedule.steps):
        for maker in makers:
            maker.zero_grad()
            for group in maker.param_groups:
                group["lr"] = group["top"] * schedule.rate(step)
        plain.losses(step)["fit"].backward()
        torch.nn.utils.clip_grad_norm_(plain.net.parameters(), 1.0)
        for maker in makers:
            maker.step()
    for mine, theirs in zip(ours.net.parameters(), plain.net.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_bfloat16_learns_and_resumes(tmp_path: Path) -> None:
    whole, schedule = Line(), Schedule(steps=12, batch=16, lr=0.01, warmup=3)
    seen: list[float] = []
    run(whole, schedule, compute=BFLOAT16, report=lambda _, terms: seen.append(terms["fit"]))
    assert seen != curve(Line(), None)
    assert seen[-1] < 0.5 * seen[0]
    curve(Line(), tmp_path / "job.pt", steps=7)  # in float32, on to step 5
    rest: list[float] = []
    run(Line(), schedule, compute=BFLOAT16, checkpoint=tmp_path / "job.pt", report=lambda _, t: rest.append(t["fit"]))
    assert len(rest) == 7


def test_checkpoints_are_read_onto_the_cpu_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve(Line(), tmp_path / "job.pt", steps=7)
    asked: list[object] = []
    load = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *args, **given: asked.append(given["map_location"]) or load(*args, **given)
    )
    curve(Line(), tmp_path / "job.pt")
    assert asked == ["cpu"]


def test_auto_is_float32_but_on_a_cuda_device_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compute_of("cpu") == Compute(CPU, torch.float32)
    assert str(compute_of("cpu", "bfloat16")) == "cpu in bfloat16"
    monkeypatch.setattr(module, "device_of", torch.device)
    assert compute_of("mps").dtype == torch.float32
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, able=able: able)
        assert compute_of("cuda") == Compute(torch.device("cuda"), expected)
    assert compute_of("cuda:1", "float16") == Compute(torch.device("cuda:1"), torch.float16)
    with pytest.raises(SaccadeError, match="cuda does not compute in bfloat16; take float16"):
        compute_of("cuda", "bfloat16")
    with pytest.raises(SaccadeError, match="on a cuda device only, got the device mps; take bfloat16"):
        compute_of("mps", "float16")


def test_only_float16_scales_gradients() -> None:
    assert not compute_of("cpu").scaler().is_enabled()
    assert not BFLOAT16.scaler().is_enabled()
    assert not BFLOAT16.scaler().state_dict()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "gpu"}, "device"),
        ({"dtype": "int8"}, "dtype"),
        ({"device": "cpu", "dtype": "float16"}, "cuda device only"),
        ({"device": "mps:1"}, "device"),
    ],
)
def test_bad_names_are_refused_before_anything_is_written(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(SaccadeError, match=said):
        train("embedded", out=tmp_path / "out", **given)
    with pytest.raises(SaccadeError, match=said):
        train_demo("pool-4", out=tmp_path / "out", **given)
    with pytest.raises(SaccadeError, match=said):
        saccade.train_connector(MlpSpec(width_in=128, width_out=128), **given)
    assert list(tmp_path.iterdir()) == []


def test_all_that_a_family_trains_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen parts by the workshop, learning ones by the loop, to the very device that was given."""
    place, moved = torch.device("cpu", 0), set[int]()
    to = nn.Module.to

    def recorded(self: nn.Module, *args: object, **kwargs: object) -> nn.Module:
        if args == (place,) and repr(args[0]) == repr(place):
            moved.add(id(self))
        return to(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(nn.Module, "to", recorded)
    changes = ("align.steps=1", "align.batch=2", "framed=3", "sliced=2", "start=shipped", "readers=[pool-4]")
    plan, _ = recipe_of("embedded", changes)
    shop = TrainingRun(plan, tmp_path, StageProgress(), Compute(place))
    made = shop.train("pool-4")
    assert {id(made.tower), id(made.language), id(made.connector)} <= moved
