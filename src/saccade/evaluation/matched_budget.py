"""Checks of the plan that a user named for a server (its twin) against what the server says it read."""

from collections.abc import Sequence

from saccade.evaluation.answered import Answered
from saccade.evaluation.runner import Runner
from saccade.evaluation.scoring import Entry
from saccade.policies.single_look import SingleLook


def twin_faults(entries: Sequence[Entry], runner: Runner, twin: str) -> list[str]:
    """A sentence for each server that read another number of visual tokens than the plan of ``twin`` counts, or fewer
    tokens in total than that.
    """
    counted: dict[str, list[tuple[int, Answered]]] = {}
    for entry in entries:
        candidate = entry.candidate
        if candidate.backend.remote and isinstance(candidate.policy, SingleLook):
            for posed, answered in zip(runner.posed, entry.answers[0], strict=True):
                request = runner.first_request(candidate, posed)
                planned = candidate.backend.price(posed.picture.size, request).visual_tokens
                if answered.error is None and answered.looks == 1 and planned is not None:
                    counted.setdefault(candidate.model, []).append((planned, answered))
    told = [_fault(model, twin, pairs) for model, pairs in counted.items()]
    return [fault for fault in told if fault is not None]


def _fault(model: str, twin: str, pairs: Sequence[tuple[int, Answered]]) -> str | None:
    """What differs in the answers of one model."""
    differing = [(planned, one) for planned, one in pairs if one.visual_tokens != planned]
    if differing:
        planned, one = max(differing, key=lambda pair: abs(pair[0] - pair[1].visual_tokens))
        return (
            f"{model} counts other visual tokens than the plan of {twin} in {len(differing)} of {len(pairs)} answers: "
            f"{one.visual_tokens} instead of {planned} at most apart. The server's numbers are shown; images were "
            "resized by the plan, so budgets are missed by that much. Name another twin, or leave it out"
        )
    beyond = [(planned, one) for planned, one in pairs if one.tokens is not None and one.tokens < planned]
    if not beyond:
        return None
    planned, one = max(beyond, key=lambda pair: pair[0] - (pair[1].tokens or 0))
    return (
        f"the plan of {twin} counts more visual tokens than {model} read of whole prompts in {len(beyond)} of "
        f"{len(pairs)} answers, such as {planned} of {one.tokens}: it is not the model there; name another twin"
    )
