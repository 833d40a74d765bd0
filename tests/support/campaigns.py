"""The long versions over the in-memory ports, in pieces that a progress bar can count."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.support.crashes import double_crashes, single_crashes
from tests.support.meetings import RACES
from tests.support.model import made_up_lives
from tests.support.outages import lasting_outages, passing_faults, passing_surprises, short_outages, surprise_at
from tests.support.races import Race, few_switches, random_schedules
from tests.support.stories import STORIES, Story
from tests.support.trials import Tally
from tests.support.witness import Broken

Piece = Callable[[], Tally]
_PAIRS = 4
"""Of so many pairs of deaths one is tried; the others lie beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is tried, in `pieces` of about a story each."""

    name: str
    pieces: tuple[Piece, ...]


def campaigns(*, share: int = 1) -> tuple[Campaign, ...]:
    """Everything; or, where that would take too long, about one of `share`."""
    return (
        Campaign(name="one death", pieces=_for_stories(partial(single_crashes, one_in=share))),
        # Pairs grow with the square of a story's length, and alone would take longer than everything else.
        Campaign(name="two deaths", pieces=_for_stories(partial(double_crashes, one_in=share * _PAIRS))),
        Campaign(name="one fault", pieces=_for_stories(partial(passing_faults, one_in=share))),
        Campaign(name="six faults", pieces=_for_stories(partial(short_outages, one_in=share))),
        Campaign(name="30 hours without", pieces=_for_stories(partial(lasting_outages, one_in=share))),
        Campaign(name="one surprise", pieces=_for_stories(partial(passing_surprises, one_in=share))),
        Campaign(name="30 hours of surprises", pieces=_for_stories(partial(lasting_outages, one_in=share, fault=surprise_at))),
        Campaign(name="one or two interruptions", pieces=_for_races(partial(_few, share=share))),
        Campaign(name="any order", pieces=_for_races(partial(_many, share=share))),
        Campaign(name="made-up lives", pieces=(partial(_lives, number=max(1, 200 // share)),) * 25),
    )


def run_piece(share: int, campaign: int, piece: int) -> Tally:
    """One piece, named by numbers so that another process can be told."""
    return campaigns(share=share)[campaign].pieces[piece]()


def _for_stories(trials: Callable[[Story], Iterator[object]]) -> tuple[Piece, ...]:
    return tuple(partial(_summed, trials, story) for story in STORIES)


def _for_races(trials: Callable[[Race], Iterator[object]]) -> tuple[Piece, ...]:
    return tuple(partial(_summed, trials, race) for race in RACES)


def _summed(trials: Callable[..., Iterator[object]], one: object) -> Tally:
    return Tally().of(trials(one))  # type: ignore[arg-type]  # trials of stories or of races


def _few(race: Race, *, share: int) -> Iterator[object]:
    # A crowd of 50 has hundreds of steps, and nearly all of them alike.
    return few_switches(race, every=share * (50 if race.is_crowded else 1))


def _many(race: Race, *, share: int) -> Iterator[object]:
    return random_schedules(race, seeds=range(max(4, (200 if race.is_crowded else 1000) // share)))


def _lives(*, number: int) -> Tally:
    """New lives every time: a broken one is told step by step, which is what it takes to keep it as a test."""
    try:
        return made_up_lives(number, steps=50, always_the_same=False)
    except Broken as error:
        told = "\n".join(["a made-up life", *getattr(error, "__notes__", [])])
        return Tally(trials=1, counts=Counter(lives=1), broken=[(told, complaint) for complaint in error.complaints])
