"""What a server will not do, in the words of the API."""

from saccade.core.errors import SaccadeError


class RefusalError(SaccadeError):
    """An HTTP ``status`` other than 200, the ``param`` that is at fault, and the API's ``code`` for it."""

    def __init__(self, said: str, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(said)
        self.status, self.param, self.code = status, param, code
