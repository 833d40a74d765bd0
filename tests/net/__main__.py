"""Compare the recorded files with what the code does, or write them anew: `python -m tests.net --record`."""

import sys

from tests.net.facts import FACTS
from tests.net.recording import COMMAND, difference, record


def main(arguments: list[str]) -> int:
    """Say which files changed; return 1 where they only should have."""
    if arguments not in ([], ["--record"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        changed = [name for name, facts in FACTS.items() if record(name, facts())]
        print(f"changed: {', '.join(changed)}; look at the diff" if changed else "nothing changed")
        return 0
    differences = [told for name, facts in FACTS.items() if (told := difference(name, facts()))]
    print("\n".join(differences) + f"\nWrite them anew with: {COMMAND}" if differences else "nothing changed")
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
