"""Who takes part in a comparison: models by what the user gave, each opened once, and closed when it is done."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from saccade.api.options import check_families, check_twin
from saccade.backends.embedded.manifest import cards, is_embedded
from saccade.backends.open import check_placement, is_server, open_model, open_one_of
from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import listed, path
from saccade.evaluation.candidates import Model
from saccade.evaluation.storage.answer_cache import KeptAnswers, remembered

REFERENCE = "llava"
"""The embedded full-token reader: differences are taken to it, baselines made from it."""
THIN = "llava-thin"
"""Its twin that was trained with smaller pictures and dropped tokens, from which baselines are made as well."""


class Participants:
    """Opens the models that take part, each once."""

    def __init__(
        self, device: str, dtype: str, twin: str | None, store: KeptAnswers | None, families: Sequence[str | Path]
    ) -> None:
        self._device, self._dtype, self._twin, self._store = device, dtype, twin, store
        self._families = [path("a family", family) for family in listed("families", families)]
        self._open: list[Backend] = []
        self._closing = ExitStack()

    def __enter__(self) -> "Participants":
        return self

    def __exit__(self, *failure: object) -> None:
        """Close what was opened here; a backend that the user gave stays open."""
        self._closing.close()

    def check(self, sources: Sequence[object]) -> None:
        """Raises SaccadeError, before anything is opened, for options that hold for none of ``sources``."""
        check_placement(sources, self._device, self._dtype)
        check_twin(self._twin, sources)
        taking = [str(one) for one in sources if is_embedded(one)]
        check_families(self._families, (REFERENCE, *taking, THIN) if taking else ())

    def model(self, source: object) -> tuple[str, Model]:
        """A model by what the user gave, and the name that it has in the results."""
        if is_embedded(source):
            return str(source), self.embedded(str(source))
        backend = self._opened(source)
        name = source if isinstance(source, str) else backend.name
        return name, Model(name, {0: backend}, baseline=True, alone=True)

    def embedded(self, name: str, *, baseline: bool = False) -> Model:
        """An embedded reader with its further training seeds."""
        seeds = [cards()[name].seed]
        backends = [self._opened(name)]
        for folder in self._families:
            if name in cards(folder):
                seeds.append(cards(folder)[name].seed)
                backends.append(self._kept(_of_family(name, folder, self._device, self._dtype)))
        if len(set(seeds)) < len(seeds):
            raise SaccadeError(f"families need different training seeds, {name} has {seeds}; train with --set seed=…")
        return Model(name, dict(zip(seeds, backends, strict=True)), baseline=baseline)

    def backend(self, source: object) -> Backend:
        """A model that policies may name beside their own."""
        return self._opened(source)

    def share(self) -> None:
        """Let all models that run here share the views that went through a tower."""
        local = [one for one in self._open if not one.remote]
        if len(local) > 1:
            from saccade.backends.composed.backend import share_towers

            share_towers(local)

    def _opened(self, source: object) -> Backend:
        backend = open_one_of(source, device=self._device, dtype=self._dtype)
        if backend is not source:
            self._closing.callback(backend.close)
        if self._twin is not None and is_server(source):
            backend = twinned(backend, self._twin)
        return self._kept(backend)

    def _kept(self, backend: Backend) -> Backend:
        self._open.append(backend)
        return remembered(backend, self._store)


def twinned(backend: Backend, twin: str) -> Backend:
    """A server whose visual tokens are those that the plan of ``twin`` counts."""
    from saccade.architectures.catalogue import system
    from saccade.backends.endpoint import Endpoint

    if isinstance(backend, Endpoint):
        backend.plan_as(system(twin))
    return backend


def _of_family(name: str, folder: Path, device: str, dtype: str) -> Backend:
    from saccade.backends.embedded.family import embedded

    return open_model(embedded(name, folder), device=device, dtype=dtype, name=name)
