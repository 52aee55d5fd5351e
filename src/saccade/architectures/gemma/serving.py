"""How Gemma 3 is set: its crops."""

from saccade.architectures.settings.lines import (
    Advice,
    Evaluate,
    Known,
    Serve,
    SettingsRequest,
    loaded,
    through_vllm,
)


def _crops(asked: SettingsRequest) -> Known:
    return asked.named({"pan_scan": "do_pan_and_scan", "max_crops": "pan_and_scan_max_num_crops"})


def _lmms_eval(asked: SettingsRequest) -> Evaluate | str:
    # Its own adapter has no crops.
    crops = Serve(processor=_crops(asked))
    return through_vllm(asked, crops) if asked.options.get("pan_scan") else Evaluate(adapter="gemma3")


GEMMA3 = Advice(
    transformers=lambda asked: loaded(asked, _crops(asked)),
    vllm=lambda asked: Serve(processor=_crops(asked)),
    lmms_eval=_lmms_eval,
)
