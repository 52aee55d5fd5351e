"""The loop: schedules, who gets which optimiser, and resuming to the same curve."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from saccade.core.errors import SaccadeError
from saccade.training.loop import Schedule, optimisers, run


class Line:
    """Fits a small network to a line; the batch depends on the step alone."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        return {"net": self.net}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        return {"fit": (self.net(x) - x.sum(dim=1, keepdim=True)).square().mean()}


SCHEDULE = Schedule(steps=12, batch=16, lr=0.01, warmup=3)


def curve(job: Line, path: Path | None, steps: int | None = None) -> list[float]:
    seen: list[float] = []

    class Stop(Exception):
        pass

    def report(step: int, terms: Mapping[str, float]) -> None:
        seen.append(terms["fit"])
        if step == steps:
            raise Stop

    try:
        run(job, SCHEDULE, checkpoint=path, every=5, report=report)
    except Stop:
        pass
    return seen


def test_resumes_to_the_same_curve(tmp_path: Path) -> None:
    whole = curve(Line(), None)
    first = curve(Line(), tmp_path / "job.pt", steps=7)
    rest = curve(Line(), tmp_path / "job.pt")
    assert first == whole[:7]
    assert rest == whole[5:]
    assert whole[-1] < 0.5 * whole[0]


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    job = Line()
    curve(job, tmp_path / "job.pt")
    again = Line()
    assert curve(again, tmp_path / "job.pt") == []
    for mine, theirs in zip(job.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_refuses_a_checkpoint_of_another_length(tmp_path: Path) -> None:
    curve(Line(), tmp_path / "job.pt")
    with pytest.raises(SaccadeError, match="made for 12 steps, the recipe asks for 20"):
        run(Line(), Schedule(steps=20, batch=16), checkpoint=tmp_path / "job.pt")


def test_the_rate_warms_up_and_falls_to_the_floor() -> None:
    rates = [SCHEDULE.rate(step) for step in range(13)]
    assert rates[0] == pytest.approx(1 / 3, rel=0.05)
    assert max(rates) == max(rates[2:4])
    assert rates[12] == pytest.approx(0.05)


def test_the_rate_is_the_one_that_is_used() -> None:
    curves = []
    for floor in (0.05, 1.0):
        seen: list[float] = []
        schedule = Schedule(steps=12, batch=16, lr=0.01, warmup=3, floor=floor)
        run(Line(), schedule, report=lambda step, terms, seen=seen: seen.append(terms["fit"]))
        curves.append(seen)
    assert curves[0][:4] == pytest.approx(curves[1][:4], rel=0.05)
    assert curves[0][-1] != pytest.approx(curves[1][-1], rel=1e-3)


def test_matrices_go_to_muon_and_tables_to_adamw() -> None:
    weights = {
        "linear": torch.zeros(4, 4),
        "embed.weight": torch.zeros(4, 4),
        "positions": torch.zeros(2, 2, 4),
        "bias": torch.zeros(4),
        "pixels": torch.zeros(8, 3, 3, 3),
        "conv": torch.zeros(8, 4, 3, 3),
    }
    muon, adamw = optimisers([(name, nn.Parameter(value)) for name, value in weights.items()], 1e-3)
    assert [tuple(w.shape) for w in muon.param_groups[0]["params"]] == [(4, 4), (8, 4, 3, 3)]
    assert len(adamw.param_groups[0]["params"]) == 4


@pytest.mark.parametrize(
    "bad", [{"steps": 0, "batch": 1}, {"steps": 1, "batch": 0}, {"steps": 1, "batch": 1, "lr": 0.0}]
)
def test_refuses_empty_schedules(bad: dict[str, float]) -> None:
    with pytest.raises(SaccadeError, match="above 0"):
        Schedule(**bad)  # type: ignore[arg-type]
