"""Hosted models: any model of ``transformers`` that reads pictures, as it is."""

from saccade.models.hosted.backend import Hosted
from saccade.models.hosted.loading import load_hosted

__all__ = ["Hosted", "load_hosted"]
