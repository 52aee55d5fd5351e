"""``saccade serve``: a model behind the API that OpenAI's clients speak."""

from saccade.cli.arguments import Device, Dtype, Model, Whole, Word
from saccade.cli.console import ERR, OUT, importing
from saccade.cli.help import Help
from saccade.core.errors import SaccadeError

HELP = Help(
    usage="[OPTIONS] MODEL",
    arguments=("model",),
    groups={"server": ("host", "port"), "where the model runs": ("device", "dtype")},
    examples={
        "An embedded model, for this machine alone": "saccade serve llava",
        "Your own checkpoint, on a GPU": "saccade serve ./my-llava --device cuda --dtype bfloat16 --port 8001",
    },
)


def serve(
    model: Model = None,
    host: Word = "127.0.0.1",
    port: Whole = 8000,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Answer questions about images over HTTP, as OpenAI's clients ask them, until interrupted.

    Args:
        model: The model: an embedded one by name, a checkpoint folder, or a Hub id.
        host: Where to listen. By default only this machine can come.
        port: The port; 0 takes any that is free.
        device: Where the model runs; auto is a GPU where there is one.
        dtype: Its type of numbers; auto is as it was saved.
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
