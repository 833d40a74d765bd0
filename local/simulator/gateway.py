"""Leads each request to what answers it, counts it, and turns refusals into answers."""

import logging
import re
from urllib.parse import unquote

from local.simulator import apis
from local.simulator.access import BadKey
from local.simulator.creating import create_task
from local.simulator.envelopes import Refusal, refusal_answer
from local.simulator.looking import list_models, list_public_models, list_tasks, show_model, show_task
from local.simulator.messages import Answer, Refused, Request
from local.simulator.outputs import serve_output
from local.simulator.routes import Route
from local.simulator.steering import STEERING
from local.simulator.submissions import read_key
from local.simulator.world import World

logger = logging.getLogger(__name__)


ROUTES = (
    Route("POST", re.compile(r"/v1/tasks"), create_task, "posts", limited=True),
    Route("GET", re.compile(r"/v1/tasks"), list_tasks, "lists", limited=True),
    Route("GET", re.compile(r"/v1/tasks/([^/]+)"), show_task, "gets", limited=True),
    Route("GET", re.compile(r"/v1/models"), list_models, limited=True),
    Route("GET", re.compile(r"/api/models/content"), show_model),
    Route("GET", re.compile(r"/docs/models\.json"), list_public_models),
    Route("GET", re.compile(r"/outputs/([\w-]+)/(?:r(\d{1,6})/)?(\d{1,3})\.(\w+)"), serve_output),
)


def routes() -> tuple[Route, ...]:
    """HiAPI's tasks, the pictures, and every API in the package `apis`."""
    return (*ROUTES, *apis.routes())


def answer_request(world: World, request: Request) -> Answer:
    """The answer to any request; it never raises."""
    try:
        return _finished(request, _routed(world, request))
    except Exception:
        # The last resort: the caller gets a 500 like from any server, the cause goes to standard error.
        logger.exception("%s %s failed", request.method, request.path)
        return refusal_answer(Refusal(500, "the simulator itself failed; see its log"))


def _routed(world: World, request: Request) -> Answer:
    if steer := STEERING.get((request.method, request.path.rstrip("/"))):
        return steer(world, request)
    for route in world.routes:
        found = route.path.fullmatch(request.path)
        if found and route.method == request.method:
            words = [unquote(word or "") for word in found.groups()]
            return _counted(world, request, route, words)
    return refusal_answer(Refusal(404, f"{request.method} {request.path} does not exist"))


def _counted(world: World, request: Request, route: Route, words: list[str]) -> Answer:
    if route.total:
        world.ledger.count(route.total, key=_key(request))
    answer = _answered(world, request, route, words)
    operation = f"{route.method} {route.handle.__name__}"
    world.ledger.answered(operation, "dropped" if answer.drop else str(answer.status))
    return answer


def _answered(world: World, request: Request, route: Route, words: list[str]) -> Answer:
    try:
        headers = world.rate.spend(world.settings.requests_per_minute if route.limited else None, world.settings.minute_s)
    except Refused as exc:
        return route.dialect.refused_answer(exc, request.id)
    return _handled(world, request, route, words).with_headers(**headers)


def _handled(world: World, request: Request, route: Route, words: list[str]) -> Answer:
    try:
        return route.handle(world, request, *words)
    except BadKey:
        return route.dialect.bad_key_answer(request, as_200=world.settings.bad_key_as_200)
    except Refused as exc:
        return route.dialect.refused_answer(exc, request.id)


def _key(request: Request) -> str | None:
    try:
        return read_key(request) if request.method == "POST" else None
    except Refused:
        return None


def _finished(request: Request, answer: Answer) -> Answer:
    return answer if answer.hide_request_id else answer.with_headers(x_request_id=request.id)
