"""``saccade serve``: a model behind the API that OpenAI's clients speak."""

from tyro.conf import Positional

from saccade.cli.arguments import Device, Dtype, Name
from saccade.cli.console import ERR, OUT, importing
from saccade.core.errors import SaccadeError


def serve(
    model: Positional[Name] = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Answer questions about images over HTTP, as OpenAI's clients ask them, until interrupted.

    Args:
        model: The model: an embedded one by name, a checkpoint folder, or a Hub id.
        host: Where to listen. By default only this machine can come.
        port: The port; 0 takes any that is free.
        device: Where the model runs: auto (a GPU where there is one), cpu, cuda or mps.
        dtype: Its type of numbers: auto (as it was saved), float32, bfloat16 or float16.
    """
    if model is None:
        raise SaccadeError("name the model to serve, such as: saccade serve llava")
    with importing():
        from saccade.api.serving import serving
        from saccade.web.run import is_loopback, run
    served = serving(model, device=device, dtype=dtype)
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
