"""`darkroom up`."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on; 0 takes a free one."
)
@click.option(
    "--upstream-url", metavar="URL", help="Another upstream instead of the built-in simulator; wins over HIAPI_BASE_URL."
)
@click.option(
    "--no-simulator", "simulator", is_flag=True, flag_value=False, default=True, help="Talk to the real HiAPI, which costs money."
)
@click.option(
    "--reconcile-every",
    "reconcile_every_s",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often overdue tasks are looked for (60 when deployed).",
)
@click.option(
    "--api-key", metavar="KEY", help="The development key, 16 characters or more.  [default: DARKROOM_API_KEY, or a new one]"
)
@click.option("--verbose", is_flag=True, help="Show every log line of the functions, not only errors.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where log lines go.  [default: a temporary file]",
)
def up(**options: Any) -> None:
    """Run the whole stack on this machine until Ctrl-C.

    Made from template.yaml: the same functions, table, bucket, queues and routes as when deployed. Without further ado
    the upstream is simulated and everything is forgotten at the end. Standard output holds the one line
    `ready http://127.0.0.1:PORT` once the API answers; all else goes to standard error. /docs shows the API in a browser.

    \b
    Environment:
      DARKROOM_API_KEY        the development key: all scopes, for the owner dev
      HIAPI_API_KEY           the upstream's key (sim-key with the simulator, otherwise needed)
      HIAPI_BASE_URL          the upstream instead of the simulator; --upstream-url wins over it
      PIXAPI_API_KEY          Pixapi's key; without it (and without the simulator) its models are not available
      PIXAPI_BASE_URL         Pixapi, instead of the simulator's or https://api.pixapi.ai
      HIAPI_WEBHOOK_SECRET    signs callbacks; generated with the simulator, otherwise unset or empty = unsigned:
                              anybody may have written a callback, so each costs a question
      DARKROOM_PUBLIC_URL     where the upstream can reach this API (a tunnel). Without it an upstream elsewhere gets
                              no callback address, and polling finishes every task
      AWS_ENDPOINT_URL        an emulator to use instead of the embedded store; what is there is kept
      DARKROOM_ALLOWED_OUTPUT_ORIGINS   origins that outputs may come from besides public https addresses
      DARKROOM_FIRST_CHECK_S (60)  DARKROOM_RECHECK_MAX_S (300)  DARKROOM_STORE_RETRY_S (0,2,8,30)
      DARKROOM_TASK_TIMEOUT_S (1800), and the other settings in template.yaml

    \b
    Examples:
      darkroom up
      darkroom up --port 0 --api-key my-own-development-key
      HIAPI_API_KEY=… darkroom up --no-simulator
    """
    from local.running import run

    run(**options)
