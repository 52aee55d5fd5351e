"""Models behind an OpenAI-compatible server, driven by policies like any other."""

from saccade.backends.endpoint.backend import Endpoint as Endpoint
