"""Ask for the state of a task again and again, with threads and a plain client: a program of its own.

    python looks.py httpx URL COUNT THREADS
    python looks.py urllib3 URL COUNT THREADS

What a poller takes at the least that somebody writes with that client: no row, no claim, no limits, no sorting of errors.
Prints `{"cpu_s": …, "wall_s": …}`.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

HEADERS = {"Authorization": "Bearer sk-hiapi-0123456789abcdef0123456789abcdef"}


def by_httpx(url: str, threads: int) -> Callable[[int], bytes]:
    import httpx

    client = httpx.Client(limits=httpx.Limits(max_connections=threads), trust_env=False, headers=HEADERS)
    return lambda _: client.get(url).raise_for_status().content


def by_urllib3(url: str, threads: int) -> Callable[[int], bytes]:
    import urllib3

    pool = urllib3.PoolManager(maxsize=threads, block=True, headers=HEADERS)
    return lambda _: pool.request("GET", url).data


def main(who: str, url: str, count: int, threads: int) -> None:
    get = {"httpx": by_httpx, "urllib3": by_urllib3}[who](url, threads)

    def look(number: int) -> str:
        status: str = json.loads(get(number))["data"]["status"]
        return status

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(look, range(threads)))
        cpu, began = time.process_time(), time.monotonic()
        assert set(pool.map(look, range(count))) == {"handling"}
        print(json.dumps({"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
