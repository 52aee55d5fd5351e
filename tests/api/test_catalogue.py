import subprocess
import sys

from saccade.api import catalogue
from saccade.models import READERS
from saccade.models.cards import cards
from saccade.specs.catalogue import PRESETS


def test_everything_with_a_name_is_listed_with_its_mark():
    known = catalogue.known()
    assert {line.name for line in known} >= {*PRESETS, *READERS, *cards()}
    assert {line.fidelity for line in known} <= {"exact", "faithful", "survey"}
    assert all(line.stages and line.source and line.runs for line in known)
    assert catalogue.record()["schema"] == "saccade.models/1"


def test_listing_needs_no_torch():
    code = "import sys; from saccade.api import catalogue; catalogue.known(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
