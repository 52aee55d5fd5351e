"""A server on a socket, until it is told to stop."""

import ipaddress
import socket
from collections.abc import Callable

from saccade.api.serving import Serving
from saccade.core.errors import SaccadeError
from saccade.web.app import app

try:
    import uvicorn
except ImportError as error:
    raise SaccadeError(f"serving needs uvicorn ({error}): pip install 'saccade[serve]'") from error

GRACE = 10
"""Seconds that answers which are being made have left when the server is stopped."""


def run(serving: Serving, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. ``announce`` is told the URL as soon as clients may come; port 0 takes a free one."""
    with listening(host, port) as door:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{door.getsockname()[1]}/v1")
        server(serving).run(sockets=[door])


def server(serving: Serving) -> uvicorn.Server:
    """Quiet, and patient with nobody: what it has to say is in its answers."""
    config = uvicorn.Config(
        app(serving), lifespan="on", ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A socket that clients may come to. Raises SaccadeError where there is none to be had."""
    if not 0 <= port < 2**16:
        raise SaccadeError(f"a port is a number from 0 (any that is free) to 65535, got {port}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SaccadeError(f"cannot listen at {host}, port {port} ({error}); name another --port or --host") from error


def is_loopback(host: str) -> bool:
    """Whether none but this machine can come."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
