"""The Swagger page of the local stack: the API's own document, and a page that lets one try it. Never deployed."""

from importlib.resources import files

from local.payload import Response

_ASSETS = "aws_lambda_powertools.event_handler.openapi.swagger_ui"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Darkroom API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="page"></div><script src="/docs/swagger-ui.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true, persistAuthorization: true})</script></body>
</html>
"""


def _page() -> Response:
    return Response(status=200, headers=[("content-type", "text/html; charset=utf-8")], body=_PAGE.encode())


def _asset(name: str, content_type: str) -> Response:
    return Response(status=200, headers=[("content-type", content_type)], body=files(_ASSETS).joinpath(name).read_bytes())


PAGES = {
    "/docs": _page,
    "/docs/swagger-ui.css": lambda: _asset("swagger-ui.min.css", "text/css"),
    "/docs/swagger-ui.js": lambda: _asset("swagger-ui-bundle.min.js", "text/javascript"),
}
"""Paths that only the local gateway knows."""
