"""Break it, at length: in memory, on real emulators with real processes, by attacks on every door. `make chaos` runs all of it.

python -m tests.chaos [--part memory] [--only WORDS] [--share 10] [--jobs 2] ends with what was tried; status 1 when a promise
was broken.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.in_memory import InMemory
from tests.chaos.report import Line, table
from tests.chaos.under_pytest import ATTACKS, EMULATORS, UnderPytest


def main() -> int:
    """Run it all; the exit status."""
    options, console, began = _options(), Console(), time.monotonic()
    memory = InMemory(share=options.share, only=options.only)
    attacks = UnderPytest("attacks", ATTACKS, only=options.only)
    emulators = UnderPytest("emulators and processes", EMULATORS, only=options.only)
    parts: dict[str, InMemory | UnderPytest] = {"memory": memory, "attacks": attacks, "emulators": emulators}
    chosen = [part for name, part in parts.items() if options.part in ("", name)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Emulators and processes are waited for most of the time: meanwhile there is work for the processors.
    beside = [part for part in chosen if part is emulators and len(chosen) > 1]
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(1) as pool:
        waited_for = [pool.submit(part.run, progress, jobs=options.jobs) for part in beside]
        for part in chosen:
            if part not in beside:
                part.run(progress, jobs=options.jobs)
        for one in waited_for:
            one.result()

    violations = [one for part in chosen for one in part.violations]
    for one in violations:
        console.print(one.tried, style="bold red", markup=False, highlight=False)
        console.print(one.happened, markup=False, highlight=False)
    sections: dict[str, list[Line]] = {
        "Over the ports in memory": memory.tried if memory in chosen else [],
        "The five promises there, checked at every write and request": memory.promises if memory in chosen else [],
        "On moto and on MiniStack, over real sockets": emulators.tried if emulators in chosen else [],
        "Attacks on every door": attacks.tried if attacks in chosen else [],
    }
    kept = {name: lines for name, lines in sections.items() if lines}
    skipped = sorted({reason for part in (attacks, emulators) for reason in part.skipped})
    console.print(table(kept, minutes=(time.monotonic() - began) / 60, skipped=skipped))
    return 1 if violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Try to break the five promises.")
    parser.add_argument("--part", choices=("memory", "attacks", "emulators"), default="", help="only this part (default: all)")
    parser.add_argument("--only", default="", metavar="WORDS", help="what has these words in its name (default: all)")
    parser.add_argument("--share", type=int, default=1, metavar="N", help="in memory, one of N where there are very many")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side (default: 2)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
