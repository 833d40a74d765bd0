"""A burst of orders as applications place them today, in a hurried world: a program of its own.

    python -m tests.benchmarks.peers.pollers client URL TASKS THREADS HURRY
    python -m tests.benchmarks.peers.pollers script URL TASKS THREADS HURRY

`client` is HiAPI's official one, `script` the create-then-poll loop that its articles recommend: a fresh request every five
seconds, and whatever the gateway refuses ends the task. Every wait is HURRY times shorter, as is the simulator's time.
Prints how many pictures there were in the end, and what went wrong how often.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import hiapi
import httpx

from local.simulator.settings import SIM_KEY

MODEL = "gpt-image-2/text-to-image"
_POLL_S, _PATIENCE_S = 5.0, 600.0


def by_client(url: str) -> Callable[[int], bytes]:
    """HiAPI's own client with its own defaults, one for all threads."""
    client = hiapi.HiAPI(api_key=SIM_KEY, base_url=f"{url}/v1")

    def order(number: int) -> bytes:
        task = client.tasks.run(model=MODEL, input=_wanted(number), timeout=_PATIENCE_S)
        return httpx.get(task.output[0].url, trust_env=False).raise_for_status().content

    return order


def by_script(url: str) -> Callable[[int], bytes]:
    """The loop of the articles: no key against repeats, no answer to a refusal."""
    headers = {"Authorization": f"Bearer {SIM_KEY}"}

    def order(number: int) -> bytes:
        body = {"model": MODEL, "input": _wanted(number)}
        made = httpx.post(f"{url}/v1/tasks", json=body, headers=headers, timeout=60, trust_env=False).raise_for_status().json()
        task_id = made["data"]["taskId"]
        for _ in range(int(_PATIENCE_S / _POLL_S)):
            time.sleep(_POLL_S)
            asked = httpx.get(f"{url}/v1/tasks/{task_id}", headers=headers, timeout=30, trust_env=False)
            task = asked.raise_for_status().json()["data"]
            if task["status"] == "success":
                return httpx.get(task["output"][0]["url"], trust_env=False).raise_for_status().content
            if task["status"] == "fail":
                raise RuntimeError(str(task.get("error")))
        raise TimeoutError(task_id)

    return order


def _wanted(number: int) -> dict[str, str]:
    return {"prompt": f"a red kite over a harbour, number {number}", "aspect_ratio": "3:2", "resolution": "1K"}


def _hurry(times: float) -> None:
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(seconds / times)


def main(who: str, url: str, tasks: int, threads: int, hurry: float) -> None:
    _hurry(hurry)
    order = {"client": by_client, "script": by_script}[who](url)

    def outcome(number: int) -> str:
        try:
            return "picture" if order(number) else "empty"
        except (hiapi.HiAPIError, httpx.HTTPError, RuntimeError, TimeoutError) as error:
            return type(error).__name__

    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps(Counter(pool.map(outcome, range(tasks)))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
