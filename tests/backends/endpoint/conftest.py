from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from saccade.backends.endpoint import Endpoint
from tests.backends.endpoint.fake import Fake, running


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as made:
        yield made


@pytest.fixture
def endpoint(fake: Fake) -> Iterator[Callable[..., Endpoint]]:
    """Makes endpoints at the fake server, quick to try again, and hangs up after the test."""
    with ExitStack() as stack:

        def make(model: str | None = "tiny", **options: Any) -> Endpoint:
            told = {"timeout": 5, "tries": 3, "pause": 0.01, **options}
            return stack.enter_context(Endpoint(fake.url, model, **told))

        yield make
