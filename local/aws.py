"""An AWS in one process on loopback: moto, served so that it neither loses writes nor leaks.

moto's transactions copy the whole table and put the copy back, so another thread's write in between is lost; and it keeps
every object it ever made. Here connections have threads of their own, but moto sees one request at a time, and it
remembers no more than its state.
"""

import argparse
import io
import logging
import os
import signal
import threading
from collections.abc import Iterable
from contextlib import closing
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wsgi import ClosingIterator

_HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; standard output holds one line, `ready http://127.0.0.1:PORT`."""
    options = _options(arguments)
    server = make_aws(options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(server))
    if options.exit_with_stdin:
        threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
    print(f"ready http://{_HOST}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)


def make_aws(port: int = 0) -> BaseWSGIServer:
    """A server that is bound, not yet started; port 0 takes a free one."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

    _forget_instances()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    class Handler(MotoRequestHandler):
        # Headers and body leave in two packets; waiting for the first one's receipt would cost 40 ms a call.
        disable_nagle_algorithm = True

    app = _one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server(_HOST, port, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]  # the threaded server's
    return server


def _forget_instances() -> None:
    from moto.core.common_models import BaseModel

    def new(cls: type[Any], *_: object, **__: object) -> Any:
        return object.__new__(cls)

    BaseModel.__new__ = new  # type: ignore[method-assign]  # its own keeps every instance in a list for ever


def _one_at_a_time(app: WSGIApplication) -> WSGIApplication:
    """Bodies are read before the lock is taken: an upload may be as slow as the picture's download."""
    lock = threading.Lock()

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated", False)
        body = environ["wsgi.input"].read(-1 if chunked else length)
        if len(body) < length:
            # The sender has broken off; a real AWS keeps nothing of it.
            start_response("400 Bad Request", [])
            return []
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": True}
        with lock, closing(ClosingIterator(app(environ, start_response))) as answer:
            return [b"".join(answer)]

    return serve


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input does: with whoever started this")
    return parser.parse_args(arguments)


def _stop_at_end_of_stdin(server: BaseWSGIServer) -> None:
    # From the descriptor: a thread that waits inside sys.stdin would hold its lock while Python ends, which then aborts.
    while os.read(0, 4096):
        pass
    server.shutdown()


def _stop(server: BaseWSGIServer) -> None:
    # shutdown() waits for serve_forever(), which this signal has interrupted.
    threading.Thread(target=server.shutdown).start()


if __name__ == "__main__":
    main()
