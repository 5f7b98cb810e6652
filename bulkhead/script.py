"""A command of `bulkhead` as a script: `ape run NAME OPTIONS` and `python scripts/NAME.py OPTIONS`."""

from __future__ import annotations

import sys

import click

from bulkhead.cli import main


def command(name: str, summary: str) -> click.Command:
    """What ape looks for in a script under the name `cli`: every option, `--help` too, goes to `bulkhead NAME`."""

    def run(options: tuple[str, ...]) -> None:
        sys.exit(main([name, *options]))

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["options"], nargs=-1, type=click.UNPROCESSED)],
        short_help=summary,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
