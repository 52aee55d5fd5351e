"""Language models from their specs."""

from saccade.language.hub import Decoder
from saccade.language.seq2seq import Seq2Seq
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec


def build_language(spec: DecoderSpec | Seq2SeqSpec) -> Decoder | Seq2Seq:
    """The module of a language model's spec, randomly initialised."""
    return Decoder(spec) if isinstance(spec, DecoderSpec) else Seq2Seq(spec)
