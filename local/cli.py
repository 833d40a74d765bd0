"""The `darkroom` command: run the stack here, or talk to one anywhere."""

import click

from darkroom import __version__
from local.commands.demo import demo
from local.commands.keys import keys
from local.commands.models import models, presets
from local.commands.operate import reconcile, redrive, upstreams
from local.commands.secrets import secrets
from local.commands.simulate import simulate
from local.commands.tasks import cancel, create, list_, retry, show, watch
from local.commands.up import up


class InOrder(click.Group):
    """Lists its commands in the order in which somebody meets them."""

    def list_commands(self, _: click.Context) -> list[str]:
        """All commands, as they were added."""
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="darkroom")
def main() -> None:
    """Ask once for a picture; its bytes end up once in your own bucket.

    `darkroom demo` shows the whole pipeline in a few seconds. `darkroom up` keeps it running here; the other commands
    then talk to it, or to a deployed stack with --url.

    \b
    export DARKROOM_API_KEY=…                        the key that `up` prints, or one of `keys create`
    darkroom create 'a red kite over a stormy sea' --save pictures

    Exit status: 0 = done, 1 = the task did not succeed, 2 = wrong usage, 3 = the API said no.
    """


_ABOUT_TASKS = (create, show, list_, watch, cancel, retry, models, presets)
_FOR_OPERATORS = (upstreams, reconcile, redrive, keys, secrets, simulate)

for _command in (demo, up, *_ABOUT_TASKS, *_FOR_OPERATORS):
    main.add_command(_command)
