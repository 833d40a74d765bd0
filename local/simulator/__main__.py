"""`python -m local.simulator`: HiAPI on a loopback port until SIGINT, SIGTERM or, if asked, the end of stdin."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from local.simulator.server import Simulator
from local.simulator.settings import SIM_KEY


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; standard output holds the one line `ready URL`."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if options.exit_with_stdin:
        threading.Thread(target=_wait_for_stdin, args=(ended,), daemon=True).start()
    return _serve(options, ended)


def _serve(options: argparse.Namespace, ended: threading.Event) -> int:
    try:
        simulator = Simulator(
            host=options.host,
            port=options.port,
            time_scale=options.time_scale,
            api_key=options.api_key,
            webhook_secret=options.webhook_secret,
            latency_s=options.latency,
        )
    except OSError as exc:
        print(f"cannot listen on {options.host}:{options.port}: {exc.strerror}", file=sys.stderr)
        return 1
    with simulator:
        print(f"ready {simulator.url}", flush=True)
        ended.wait()
    return 0


def _wait_for_stdin(ended: threading.Event) -> None:
    # Read from the descriptor: a thread that waits inside sys.stdin would hold its lock while Python ends.
    try:
        while os.read(0, 4096):
            pass
    finally:
        ended.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m local.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0, the default, takes a free one")
    parser.add_argument("--time-scale", type=_scale, default=1.0, metavar="X", help="simulated seconds per second; 0 = frozen")
    parser.add_argument("--api-key", default=SIM_KEY, help="the key that clients send (%(default)s)")
    parser.add_argument("--webhook-secret", metavar="SECRET", help="sign callbacks with it; unset or empty = unsigned")
    parser.add_argument(
        "--latency", type=_scale, default=2.0, metavar="S", help="simulated seconds that generating takes (%(default)s)"
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input ends")
    return parser


def _scale(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
