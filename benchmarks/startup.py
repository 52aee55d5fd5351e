"""CPU seconds (user and system) of ``saccade VERB --help``, the least of three runs, beside the goal.

python benchmarks/startup.py
"""

import resource
import subprocess
import sys

from saccade.cli.main import VERBS

GOAL = 0.5
RUNS = 3


def seconds(*arguments: str) -> float:
    """CPU seconds of one run of the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "saccade", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    for verb in ("", *VERBS):
        arguments = (verb, "--help") if verb else ("--help",)
        least = min(seconds(*arguments) for _ in range(RUNS))
        print(f"{' '.join(arguments):<16} {least:.2f} s{'' if least <= GOAL else f'  over {GOAL} s'}")
