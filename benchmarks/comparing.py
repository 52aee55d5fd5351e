"""CPU seconds of a comparison, of the same one again, and of the same one with one more model.

    OMP_NUM_THREADS=1 python benchmarks/comparing.py [--pictures 20] [--models llava,merge-16] [--more pool-16]

Answers are kept in a temporary folder. The second run finds all of them in its folder for results, the third in the
cache of answers; the fourth asks the further model alone. That model is compared by itself as well, with nothing kept:
what it costs to add should be no more than that, less the models that every comparison holds. Each run is a process of
its own, so that start-up (a row apart: ``saccade --help``) counts as users meet it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table


def seconds(arguments: Sequence[str], cache: str) -> float:
    """CPU seconds (user and system) of ``saccade`` with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "saccade", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "XDG_CACHE_HOME": cache},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Run the comparisons one after the other and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20, help="pictures of the generated benchmark")
    parser.add_argument("--models", default="llava,merge-16", help="models of the first comparison")
    parser.add_argument("--more", default="pool-16", help="the model that joins")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:

        def compared(models: str, out: str, cache: str = "kept") -> float:
            arguments = ["--models", models, "--pictures", str(given.pictures), "--out", str(Path(folder, out))]
            return seconds(["compare", *arguments], str(Path(folder, cache)))

        rows = {
            "start-up": seconds(["--help"], folder),
            f"{given.models}, {given.pictures} pictures": compared(given.models, "first"),
            "the same again, same folder": compared(given.models, "first"),
            "the same again, another folder": compared(given.models, "second"),
            f"with {given.more}": compared(f"{given.models},{given.more}", "third"),
            f"{given.more}, nothing kept": compared(given.more, "fourth", "empty"),
        }
    table = Table("run", "CPU seconds", "of the first")
    first = list(rows.values())[1]
    for name, spent in rows.items():
        table.add_row(name, f"{spent:.1f}", f"{spent / first:.2f}×")
    Console().print(table)


if __name__ == "__main__":
    main()
