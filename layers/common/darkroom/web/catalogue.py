"""The catalogue to answer by; that a deployer's own part of it is broken is told here."""

from darkroom.catalogue.offers import Catalogue
from darkroom.errors import StorageUnavailable
from darkroom.observe import count, say
from darkroom.web.problems import as_problem
from darkroom.wiring import Services


def catalogue_now(services: Services) -> Catalogue:
    """What may be asked for now; raises Problem 503 where nobody can know yet.

    A deployer's object that cannot be used is logged and counted each time it is looked at.
    """
    try:
        seen = services.catalogue.now()
    except StorageUnavailable as error:
        # Nothing has been done yet, so anything may be sent again.
        raise as_problem(error, repeatable=True) from error
    if seen.trouble:
        say("catalogue broken", level="error", why=seen.trouble)
        count("CatalogueBroken")
    if seen.unkept:
        say("catalogue not kept as the last good one", level="warning", why=seen.unkept)
    return seen.catalogue
