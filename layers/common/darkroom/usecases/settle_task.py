"""The one door for news: decide what it means, write it down once, and say what is left to do."""

from dataclasses import dataclass

from darkroom.domain.news import News, Verdict, decide
from darkroom.domain.task import Task
from darkroom.errors import TaskChanged
from darkroom.ports import Clock, Tasks

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the news changed, and the task as it is now. On `Verdict.STORE` the caller holds the lease."""

    verdict: Verdict
    task: Task

    @property
    def is_end_of_generation(self) -> bool:
        """Whether this news was the first that the upstream is done with the attempt."""
        return self.verdict in (Verdict.STORE, Verdict.ENDED, Verdict.AGAIN)


def settle_task(task: Task, news: News, *, clock: Clock, tasks: Tasks, lease: str, lease_s: float) -> Settled:
    """Apply `news` to the freshly read `task`; when somebody was faster, read again and decide again.

    Raises TaskChanged after three lost races and StorageUnavailable: in both cases nothing is written and
    the news should be delivered again.
    """
    current = task
    for _ in range(_TRIES):
        decision = decide(current, news, now=clock(), lease=lease, lease_s=lease_s)
        if decision.after is None:
            return Settled(verdict=decision.verdict, task=current)
        try:
            tasks.move(current, decision.after)
        except TaskChanged:
            current = tasks.get(task.id) or current
        else:
            return Settled(verdict=decision.verdict, task=decision.after)
    raise TaskChanged(f"{task.id} moved {_TRIES} times while its news was being settled")
