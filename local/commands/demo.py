"""`darkroom demo`."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    metavar="DIR",
    help="Where the pictures go.",
)
def demo(output: Path) -> None:
    """Run the pipeline once, against a simulated upstream that misbehaves: five tasks, five endings; then one prompt
    through all five upstreams, with the pictures side by side in contact-sheet.png.

    Nothing leaves this machine and nothing has to be set up. The exit status is 1 if anything ended otherwise than it should.
    """
    from local.demo import run

    run(output)
