"""Options of a comparison that would have no effect are refused before anything is opened or asked."""

from pathlib import Path

import pytest

from saccade.api.comparing import compare
from saccade.api.options import check_families, check_twin
from saccade.api.planning import documents_of
from saccade.backends.embedded.manifest import shelf
from saccade.backends.open import check_placement, is_server, open_model, open_one_of, runs_here
from saccade.core.errors import SaccadeError
from saccade.policies.single_look import SingleLook
from tests.evaluation.small import numbered
from tests.policies.fake import Fake, answer

URL = "http://127.0.0.1:9/v1"


def model() -> Fake:
    return Fake(asked=lambda *_: answer("0"), name="m")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"twin": "gemma-3-4b"}, "twin=gemma-3-4b is for servers.*leave out twin"),
        ({"device": "cpu"}, "device=cpu is for models that are loaded here"),
        ({"dtype": "float32"}, "dtype=float32 is for models that are loaded here"),
        ({"families": [shelf()]}, "none of these is compared"),
        ({"calibration": numbered(2)}, "calibration is for the policy ladder.*the policies are: none"),
        ({"calibration": numbered(2), "policies": [SingleLook(side=32)]}, "the policies are: own-look"),
        ({"pictures": 3}, "pictures=3 is for the generated benchmark"),
        ({"retry_failed": True}, "retry_failed is for the answers in a folder"),
    ],
)
def test_an_option_without_effect_is_refused_and_nothing_is_asked(options: dict, said: str) -> None:
    one = model()
    with pytest.raises(SaccadeError, match=said):
        compare(numbered(2), models=[one], **options)
    assert one.log == []


def test_fresh_asks_what_failed_too(tmp_path: Path) -> None:
    with pytest.raises(SaccadeError, match="leave out retry_failed"):
        compare(numbered(2), models=[model()], out=tmp_path, fresh=True, retry_failed=True)


def test_a_twin_needs_one_server_and_a_device_one_model_that_is_loaded() -> None:
    check_twin("gemma-3-4b", ["llava", URL])
    check_twin(None, ["llava"])
    check_placement(["llava", URL], "cpu", "auto")
    check_placement([URL], "auto", "auto")
    check_families([], ())
    with pytest.raises(SaccadeError, match="is a server or a backend"):
        check_placement([URL, model()], "auto", "float32")
    assert [runs_here(one) for one in (URL, model(), "llava", Path("a"))] == [False, False, True, True]
    assert [is_server(one) for one in (URL, model(), "llava")] == [True, False, False]


def test_a_backend_takes_no_device_unless_it_is_one_of_several() -> None:
    one = model()
    with pytest.raises(SaccadeError, match="device=cpu is for models that are loaded here"):
        open_model(one, device="cpu")
    assert open_one_of(one, device="cpu", dtype="float32") is one


def test_a_dpi_is_for_pdfs(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (30, 40), "white").save(tmp_path / "scan.pdf")
    Image.new("RGB", (30, 40), "white").save(tmp_path / "photo.png")
    with pytest.raises(SaccadeError, match=r"dpi=72 is for the pages of PDFs, and .*photo.png is none"):
        documents_of([tmp_path / "photo.png"], dpi=72)
    assert len(documents_of([tmp_path], dpi=72)) == 2
