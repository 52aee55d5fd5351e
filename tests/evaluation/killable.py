"""A comparison that a test can kill: ``python -m tests.evaluation.killable OUT CALLS remote|local``.

Every job that a stub answered is a line of the file CALLS. Nothing here needs torch.
"""

import json
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saccade.api.comparing import compare
from saccade.core.answer import Answer
from saccade.core.backend import Job, JobResult
from saccade.core.caps import Cap
from saccade.core.records.trace_codec import request_json
from saccade.core.request import Ask
from saccade.core.size import Size
from saccade.policies.ladder import sides
from tests.evaluation.small import numbered
from tests.policies.fake import EVERYTHING, Fake, answer

WAIT = 0.001
"""Seconds that a job takes, so that there is a middle to be killed in."""


@dataclass(eq=False)
class Stub(Fake):
    """Says the same of the same request, and writes every job down."""

    calls: Path = Path("calls")
    name: str = "stub"
    caps: Cap = EVERYTHING & ~Cap.RESIZE

    @property
    def fingerprint(self) -> str:
        return "stub"

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        time.sleep(WAIT * len(jobs))
        found = super().run(jobs)
        with self.calls.open("a") as file:
            file.writelines(f"{job.key}\t{request_json(job.request)}\n" for job in jobs)
        return found


def rule(request: Ask, size: Size) -> Answer:
    """An answer by the request's hash: right for a third of the questions, sure of them to a different degree."""
    drawn = zlib.crc32(request_json(request).encode())
    said = request.question.rstrip("?").split(".")[1] if drawn % 3 == 0 else "no"
    sure = 0.3 + 0.69 * (drawn % 101) / 100
    return answer(said, sure, ((said, sure), ("no", 1 - sure)) if request.top else ())


def main(out: str, calls: str, where: str) -> None:
    """Compare, and print whether torch was needed."""
    stub = Stub(asked=rule, calls=Path(calls), remote=where == "remote")
    compare(
        numbered(16, 2),
        models=[stub],
        policies=[sides(20, None)],
        calibration=numbered(8, 2, "to fit"),
        out=out,
    )
    sys.stdout.write(json.dumps({"torch": "torch" in sys.modules}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
