"""LLaVA: one square view, every patch through an MLP."""

from saccade.architectures.architecture import UNREAD_LAYER, Architecture, Composition, HostedKind, Loader
from saccade.architectures.llava.spec import LLAVA
from saccade.architectures.settings.lines import FIXED, Advice, Serve, evaluates, serves

ARCHITECTURES = (
    Architecture(
        name="llava",
        family=LLAVA,
        advice=Advice(transformers=FIXED, vllm=serves(Serve()), lmms_eval=evaluates("llava_hf")),
        presets=("llava-1.5-7b",),
        compositions={
            "llava": Composition(
                summary="one square view, every CLIP patch through an MLP",
                fidelity="exact",
                module="saccade.architectures.llava.reader",
            )
        },
        composed={"llava-1.5-7b": ("llava", "1.5-7b")},
        differs={
            "views": "transformers crops the middle, the composition pads the image as the authors do",
            "vision": UNREAD_LAYER,
        },
        loaders=(Loader(function="saccade.architectures.llava.checkpoint:composed", types=("llava",)),),
        hosted=HostedKind(processor="LlavaProcessor"),
    ),
)
