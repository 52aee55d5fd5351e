"""Baselines: what every method of a comparison has to beat at equal visual tokens.

resize   the same model sees a smaller picture: fewer patches, so the tower is cheaper as well
random   visual tokens selected at random
uniform  visual tokens selected evenly over the picture

Published evidence says that these beat many cleverer ways of dropping tokens (VTC-Bench, arXiv:2510.07143), so every
comparison holds them: on the reference model as it is, and on one that was trained with smaller pictures and dropped
tokens where there is one.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, sqrt

from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.selection import TokenSelection
from saccade.evaluation.candidates import Candidate, Model
from saccade.policies.base import Policy
from saccade.policies.single_look import SingleLook

SHARES = (0.5, 0.25)
"""Lengths of smaller pictures, in shares of the picture's, where no budget was named: a quarter and a sixteenth of its
tokens.
"""


ROOM = 1.05
"""Since models round lengths, a picture made smaller by its length is allowed a little more than it should take."""


SELECTS = Cap.KEEP | Cap.POSITIONS


def baselines(model: Model, budgets: Iterable[int], seed: int) -> list[Candidate]:
    """Smaller pictures, and random and uniform tokens, at each budget, as far as the model can."""
    made: list[Candidate] = []
    for trained, backend in model.backends.items():
        for title, policy, budget in _policies(backend.caps, budgets, seed):
            made.append(
                Candidate(
                    model=model.name,
                    title=title,
                    policy=policy,
                    bench={model.name: backend},
                    budget=budget,
                    seed=trained,
                )
            )
    return made


def shared_baselines(model: Model, seed: int) -> list[Candidate]:
    """The same for a model that cannot resize to a budget: at a quarter and a sixteenth of each picture's tokens."""
    policies: list[tuple[str, Policy]] = [("resize", SingleLook(share=share, top=0)) for share in SHARES]
    if model.first.caps & SELECTS == SELECTS:
        policies += [
            (rule, SingleLook(keep=TokenSelection(rule=rule, share=share**2, seed=seed), top=0))
            for rule in ("random", "uniform")
            for share in SHARES
        ]
    return [
        Candidate(model=model.name, title=title, policy=policy, bench={model.name: backend}, seed=trained)
        for trained, backend in model.backends.items()
        for title, policy in policies
    ]


def matched(model: Model, tokens: float, whole: float, planned: Callable[[int], float | None]) -> list[Candidate]:
    """Smaller pictures of no fewer visual tokens than something with a mean of ``tokens`` took, of ``whole`` ones; none
    where it took no fewer than the whole.

    ``planned`` is the mean number of tokens of pictures within a budget, None where nobody knows. Sizes come in steps,
    so that pictures take a little less than their budget: it is raised until they take enough.
    """
    budget = max(1, ceil(tokens))
    while budget < whole and (taken := planned(budget)) is not None and taken < tokens:
        budget += 1
    if budget >= whole:
        return []
    if Cap.RESIZE in model.first.caps:
        policy, named = SingleLook(tokens=budget, top=0), budget
    else:  # tokens are as the square of the length
        policy, named = SingleLook(share=min(1.0, round(sqrt(ROOM * tokens / whole), 3)), top=0), None
    return [
        Candidate(model=model.name, title="resize", policy=policy, bench={model.name: backend}, budget=named, seed=seed)
        for seed, backend in model.backends.items()
    ]


def fewer(budgets: Sequence[int], whole: float, name: str) -> list[int]:
    """The budgets that take something away from ``whole`` visual tokens. Raises SaccadeError where none does."""
    found = [budget for budget in dict.fromkeys(budgets) if budget < whole]
    if not found:
        asked = ", ".join(map(str, budgets)) or "none"
        raise SaccadeError(
            f"baselines need budgets below the {whole:g} visual tokens of {name}, got {asked}; try "
            f"{max(1, int(whole) // 4)}"
        )
    return found


def _policies(caps: Cap, budgets: Iterable[int], seed: int) -> list[tuple[str, Policy, int]]:
    numbers = list(budgets)
    made: list[tuple[str, Policy, int]] = []
    if Cap.RESIZE in caps:
        made += [("resize", SingleLook(tokens=tokens, top=0), tokens) for tokens in numbers]
    if caps & SELECTS == SELECTS:
        made += [
            (rule, SingleLook(keep=TokenSelection(rule=rule, tokens=tokens, seed=seed), top=0), tokens)
            for rule in ("random", "uniform")
            for tokens in numbers
        ]
    return made
