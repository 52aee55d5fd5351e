"""How LLaVA-UHD is set: slices at most, in its authors' code."""

from saccade.architectures.settings.lines import UNEVALUATED, UNSERVED, Advice, SettingsRequest


def _transformers(asked: SettingsRequest) -> str:
    most = asked.options.get("max_slices", asked.system.processor.get("max_slice_nums"))
    return f"transformers 5.23 has no class for {asked.system.name}; its authors' slicing takes max_slice_nums={most}"


LLAVA_UHD = Advice(transformers=_transformers, vllm=UNSERVED, lmms_eval=UNEVALUATED)
