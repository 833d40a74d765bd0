"""Ends processes: counts every boundary that is reached, and kills whoever reaches one of the chosen ones."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tests.support.boundaries import Killed


@dataclass(slots=True, kw_only=True)
class Knife:
    """A hook for `World`. `reached` names every boundary in order, with the process that reached it.

    A killed process stays dead: whatever else runs in it dies at its next boundary, until `revive`.
    """

    at: Collection[int] = ()
    reached: list[str] = field(default_factory=list)
    process: str = ""
    dead: bool = False
    kills: int = 0
    faults: int = 0
    last_fault: str = ""

    def __call__(self, boundary: str) -> None:
        if self.dead:
            raise Killed(boundary)
        index = len(self.reached)
        self.reached.append(f"{self.process}: {boundary}")
        if index in self.at:
            self.dead = True
            self.kills += 1
            raise Killed(boundary)

    def revive(self, process: str) -> None:
        """Another process begins."""
        self.process, self.dead = process, False
