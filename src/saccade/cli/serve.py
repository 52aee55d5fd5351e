"""``saccade serve``: a reader behind the API that OpenAI's clients speak."""

from saccade.cli.console import ERR, OUT, importing
from saccade.core.errors import SaccadeError


def serve(api: str = "", host: str = "127.0.0.1", port: int = 8000) -> None:
    """Answer questions about pictures over HTTP, as OpenAI's clients ask them, until interrupted.

    Args:
        api: The model: an embedded reader's name, or a checkpoint folder.
        host: Where to listen. By default only this machine can come.
        port: The port; 0 takes any that is free.
    """
    if not api:
        raise SaccadeError("name the model to serve, such as: saccade serve --api llava")
    with importing():
        from saccade.api.serving import serving
        from saccade.web.run import is_loopback, run
    served = serving(api)
    if not is_loopback(host):
        ERR.print(
            f"saccade: whoever reaches {host} may ask; there are no keys, and nothing is encrypted",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip
    try:
        run(served, host, port, lambda url: _tell(served.name, url))
    except KeyboardInterrupt:
        pass  # how a server is stopped


def _tell(name: str, url: str) -> None:
    OUT.print(f"{name} answers at {url} (stop with Ctrl-C)", highlight=False, soft_wrap=True)
    OUT.file.flush()
