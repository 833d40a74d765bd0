"""From API Gateway's event to its answer: find the operation, know the caller, answer, and log one line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from darkroom.errors import StorageUnavailable
from darkroom.observe import count, discreet, say
from darkroom.web.answers import Answer
from darkroom.web.auth import authenticate
from darkroom.web.call import Call, Endpoint
from darkroom.web.endpoints import ENDPOINTS
from darkroom.web.idempotency import HEADER
from darkroom.web.problems import Problem, as_problem, guarded
from darkroom.web.request import read_request
from darkroom.wiring import Services

WHOLE_REQUEST_S = 28.0
"""API Gateway hangs up after 30 s."""

_RESERVE_S = 0.5
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_REFUSED_INPUT = frozenset({400, 413, 415, 422})


class Application:
    """The API. Powertools' resolver knows one event at a time, so a process that answers several has several resolvers."""

    def __init__(self) -> None:
        self._idle: list[_Resolver] = []

    @discreet
    def respond(self, event: Mapping[str, Any], services: Services, *, remaining_s: float) -> dict[str, Any]:
        """The answer to one event; `remaining_s` is what Lambda leaves of this invocation."""
        now = services.clock()
        request = read_request(event, now=now, fresh=services.fresh)
        call = Call(request=request, services=services, until=now + min(WHOLE_REQUEST_S, remaining_s - _RESERVE_S))
        try:
            resolver = self._idle.pop()
        except IndexError:
            resolver = _Resolver()
        try:
            return resolver.answer(event, call)
        finally:
            self._idle.append(resolver)


@cache
def application() -> Application:
    """This environment's API."""
    return Application()


class _Resolver(APIGatewayHttpResolver):
    """The routing of one request at a time; what Powertools shares between resolvers is kept apart here."""

    def __init__(self) -> None:
        super().__init__()
        self._event: BaseProxyEvent | None = None
        for endpoint in ENDPOINTS:
            if endpoint.answer is not None:
                rule = _PLACEHOLDER.sub(r"<\1>", endpoint.path)
                self.route(rule, method=endpoint.method)(self._responder(endpoint, endpoint.answer))
        self.not_found(lambda _: self._reply(None, lambda call: _nowhere(call.request.method, call.request.path)))

    @property
    def current_event(self) -> BaseProxyEvent:  # type: ignore[override]  # a plain attribute there, shared by all resolvers
        if self._event is None:
            raise RuntimeError("there is no event yet")
        return self._event

    def _to_proxy_event(self, event: dict[str, Any]) -> BaseProxyEvent:
        self._event = super()._to_proxy_event(event)
        return self._event

    def answer(self, event: Mapping[str, Any], call: Call) -> dict[str, Any]:
        self.context["call"] = call
        return self.resolve(dict(event), None)  # type: ignore[arg-type]  # nobody asks for Lambda's context here

    def _responder(self, endpoint: Endpoint, answer: Callable[..., Answer]) -> Callable[..., Response[str]]:
        def respond(**parameters: str) -> Response[str]:
            return self._reply(endpoint, lambda call: answer(_known(endpoint, call), **parameters))

        return respond

    def _reply(self, endpoint: Endpoint | None, work: Callable[[Call], Answer]) -> Response[str]:
        call: Call = self.context["call"]
        repeatable = endpoint is None or endpoint.repeatable or HEADER.lower() in call.request.headers
        answer, code = guarded(lambda: work(call), request_id=call.request.id, repeatable=repeatable)
        _tell(endpoint, call, answer, code)
        return _response(answer, call)


def _known(endpoint: Endpoint, call: Call) -> Call:
    """The call with its caller and its query, once both are as the endpoint wants them."""
    call = _authenticated(endpoint, call) if endpoint.scope is not None else call
    query = call.request.query(endpoint.query) if endpoint.query is not None else {}
    return replace(call, query=query)


def _authenticated(endpoint: Endpoint, call: Call) -> Call:
    try:
        caller = authenticate(call.request, call.services.api_keys, scope=endpoint.scope or None)
    except StorageUnavailable as error:
        # Nothing has been done yet, so anything may be sent again.
        raise as_problem(error, repeatable=True) from error
    call.facts["owner"] = caller.owner
    return replace(call, caller=caller)


def _nowhere(method: str, path: str) -> Answer:
    allowed = sorted({endpoint.method for endpoint in ENDPOINTS if _pattern(endpoint.path).fullmatch(path)})
    if allowed and method not in allowed:
        takes = ", ".join(allowed)
        raise Problem("method_not_allowed", f"this path takes {takes}", headers={"Allow": takes})
    raise Problem("not_found", "there is nothing at this path")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub("[^/]+", path.replace(".", r"\.")))


def _response(answer: Answer, call: Call) -> Response[str]:
    body = "" if call.request.method == "HEAD" else answer.body
    typed = {"Content-Type": answer.content_type} if answer.body or call.request.method == "HEAD" else {}
    return Response(status_code=answer.status, body=body, headers={**typed, **answer.headers, "X-Request-Id": call.request.id})


def _tell(endpoint: Endpoint | None, call: Call, answer: Answer, code: str | None) -> None:
    """One line for the request, without its path: that may hold a secret. Refused inputs are counted by themselves."""
    say(
        "request",
        level="warning" if answer.status >= 500 else "info",
        request_id=call.request.id,
        method=call.request.method,
        route=endpoint.path if endpoint else None,
        status=answer.status,
        code=code,
        ms=round((call.services.clock() - call.request.began) * 1000),
        **call.facts,
    )
    count("ValidationErrors", answer.status in _REFUSED_INPUT and code != "idempotency_mismatch")
