"""Store one picture of `size` bytes and print by how many KB this process's peak memory rose: a child of test_streaming."""

import ssl
import struct
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

from darkroom.adapters.bucket import S3Bucket
from darkroom.adapters.clients import Clients
from darkroom.adapters.downloads import GuardedDownloads
from darkroom.domain.task import Output
from tests.support.world import PNG, World


def peak_kb() -> int:
    """This process's largest resident size so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def real_world(url: str, bucket: str, endpoint: str) -> World:
    """The in-memory world with the real bucket and the real downloads, which are what a picture passes through."""
    world = World()
    clients = Clients(session=boto3.Session(), endpoint_url=endpoint)
    world.bucket = S3Bucket(client=clients.s3, name=bucket)  # type: ignore[assignment]  # the real one
    world.downloads = GuardedDownloads(ssl_context=ssl.create_default_context(), allowed_origins=[url])  # type: ignore[assignment]  # the real one
    return world


def store(world: World, url: str) -> int:
    """Store what is behind `url`; returns the size that was stored."""
    task = world.create().task
    storing = task.storing(world.now, by="poll", lease="l", lease_s=99, outputs=(Output(url=url),))
    world.tasks.move(task, storing)
    stored = world.store(storing, resume=False, until=world.now + 60)
    if stored.fault is not None:
        raise SystemExit(str(stored.fault))
    return stored.task.images[0].size


def main(size: int, bucket: str, endpoint: str, url: str) -> None:
    world = real_world(url, bucket, endpoint)
    store(world, f"{url}/{1_000_000}")
    forget_peak()
    before = peak_kb()
    assert store(world, f"{url}/{size}") == size
    print(peak_kb() - before)


_END = 12


class Pictures(BaseHTTPRequestHandler):
    """GET /N gives a picture of N bytes, in many chunks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.path.removeprefix("/"))
        self.send_response_only(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(PNG[:-_END])
        left = size - len(PNG)
        while left:
            # No chunk of a PNG is smaller than its frame.
            part = left if left < 65_536 + _END else 65_536
            kind, content = b"IDAT", bytes(part - _END)
            left -= self.wfile.write(
                struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            )
        self.wfile.write(PNG[-_END:])

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def serve() -> ThreadingHTTPServer:
    """Pictures on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
