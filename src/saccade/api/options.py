"""Options of a comparison that would have no effect, refused: nothing that was asked for is ignored."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from saccade.backends.embedded.manifest import cards
from saccade.backends.open import is_server
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import instance
from saccade.evaluation.ladders import LADDER
from saccade.policies.base import Policy
from saccade.policies.ladder import Ladder


def check_switches(fresh: object, retry_failed: object, folder: Path | None) -> None:
    """Raises SaccadeError for a switch of a wrong type, and where ``retry_failed`` has nothing to retry."""
    instance("fresh", fresh, bool, "True or False")
    instance("retry_failed", retry_failed, bool, "True or False")
    if retry_failed and folder is None:
        raise SaccadeError("retry_failed is for the answers in a folder, and none is given; name it with out")
    if retry_failed and fresh:
        raise SaccadeError("fresh asks every question again, those that failed too; leave out retry_failed")


def check_pictures(pictures: int | None, data: object) -> None:
    """Raises SaccadeError where ``pictures`` is given beside ``data``, of which every question is asked."""
    if pictures is not None and data is not None:
        raise SaccadeError(
            f"pictures={pictures} is for the generated benchmark, and data is given, of which all is asked; "
            "leave out pictures"
        )


def check_calibration(given: bool, policies: Mapping[str, Policy]) -> None:
    """Raises SaccadeError where calibration questions are ``given`` and no policy is fitted to them."""
    if given and not isinstance(policies.get(LADDER), Ladder):
        named = ", ".join(policies) or "none"
        raise SaccadeError(
            f"calibration is for the policy {LADDER}, which is fitted to it, and the policies are: {named}; "
            f"add {LADDER} to policies, or leave out calibration"
        )


def check_twin(twin: str | None, models: Sequence[object]) -> None:
    """Raises SaccadeError where a ``twin`` is named and none of ``models`` is a server."""
    if twin is not None and not any(map(is_server, models)):
        named = ", ".join(str(one) if isinstance(one, str) else type(one).__name__ for one in models[:3])
        raise SaccadeError(
            f"twin={twin} is for servers, which do not tell how many visual tokens an image takes, and there is none "
            f"among the models ({named}{', …' if len(models) > 3 else ''}); leave out twin"
        )


def check_families(families: Sequence[Path], names: Sequence[str]) -> None:
    """Raises SaccadeError for a family that none of ``names``, the embedded readers that take part, is in."""
    for folder in families:
        if not any(name in cards(folder) for name in names):
            raise SaccadeError(
                f"the family {folder} has further training seeds of {', '.join(cards(folder))}, and none of these is "
                "compared; add one to models, or leave out families"
            )
