"""What a benchmark finds: figures with a peer, a floor and a goal beside them, and whether the goal is met."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number; `goal` is the most that it should be (None: told, not judged). `unit` follows each of them."""

    name: str
    ours: float
    unit: str = ""
    peer: float | None = None
    floor: float | None = None
    goal: float | None = None
    digits: int = 2

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.ours <= self.goal * (1 + 1e-9) else "MISSED"

    def cells(self) -> list[str]:
        """Name, ours, peer, floor, goal, verdict."""
        goal = "—" if self.goal is None else f"≤ {self._told(self.goal)}"
        return [self.name, self._told(self.ours), self._told(self.peer), self._told(self.floor), goal, self.verdict]

    def _told(self, value: float | None) -> str:
        if value is None:
            return "—"
        number = f"{value:,.{self.digits}f}"
        return f"{number} {self.unit}".strip()


HEAD = ["", "ours", "peer", "floor", "goal", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture for the page: the file's name, what it shows, the SVG."""

    file: str
    title: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page. `about` says how it was measured and who the peer is; `tables` are further ones, with a head.

    `failed`: nothing could be measured, and `about` says why. `unmeasured` names what is missing among the rest.
    """

    title: str
    about: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Sequence[Sequence[str]]] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    failed: bool = False
    unmeasured: Sequence[str] = ()

    @property
    def missed(self) -> list[str]:
        """Names of figures beyond their goals; nothing that was not measured is taken for met."""
        missed = [f"{self.title}: {one.name}" for one in self.figures if one.verdict == "MISSED"]
        missed += [f"{self.title}: {one} was not measured" for one in self.unmeasured]
        return [f"{self.title}: not measured", *missed] if self.failed else missed
