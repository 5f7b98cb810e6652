"""What observes a keeper at work, by its options: --listen, --alert, and the lines of the journal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bulkhead.arguments import whole

if TYPE_CHECKING:
    from bulkhead.keeper.runner import Keeper


class NotObservable(Exception):
    """A port or a URL that cannot be used, in a sentence."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    group = command.add_argument_group("observability")
    group.add_argument("--listen", metavar="[HOST:]PORT", help="serve /metrics and /healthz there (host: 127.0.0.1)")
    group.add_argument("--alert", metavar="URL", help="POST a JSON object there when a person is needed")
    group.add_argument(
        "--alert-blocks",
        type=whole(0),
        default=3,
        metavar="N",
        help="a position liquidatable for more than N blocks is an alert (default: 3)",
    )


@contextmanager
def observed(options: argparse.Namespace, keeper: Keeper) -> Iterator[None]:
    """A keeper at work with everything attached that the options ask for. Raises NotObservable."""
    from bulkhead.keeper.alerts import Alerts, When
    from bulkhead.keeper.journal import Journal
    from bulkhead.keeper.metrics import Metrics
    from bulkhead.keeper.pulse import Pulse, PulseServer
    from bulkhead.keeper.runner import json_log

    market = keeper.market
    source = {"market": market.name or market.address, "keeper": keeper.sender.address}
    with ExitStack() as opened:
        keeper.observers.append(Journal(json_log))
        if options.listen:
            host, port = _listen(options.listen)
            pulse, metrics = Pulse(), Metrics(keeper)
            try:
                server = PulseServer(pulse, metrics.registry, port, host)
            except OSError as error:
                raise NotObservable(f"--listen {options.listen}: {error.strerror}.") from None
            opened.callback(server.close)
            keeper.observers += [pulse, metrics]
            json_log("listening", {"host": host, "port": server.port})
        if options.alert:
            if urlsplit(options.alert).scheme not in ("http", "https"):
                raise NotObservable("--alert must be a URL, http or https.")
            alerts = Alerts(options.alert, source, json_log, When(blocks=options.alert_blocks))
            opened.callback(alerts.close)
            keeper.observers.append(alerts)
        jobs = sorted(keeper.settings.jobs)
        json_log("started", source | {"address": market.address, "chain": market.chain.chain_id, "jobs": jobs})
        try:
            yield
        finally:
            json_log("stopped", source)


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise NotObservable(f"--listen must end in a port, 0 to 65535, not {text}.")
    return host or "127.0.0.1", int(port)
