"""Signed prices of Pyth from a service on the web: Hermes, of Pyth or of a provider, or whatever answers as it does."""

from __future__ import annotations

import time
from collections.abc import Sequence

import requests

#: Seconds that one question may take.
TIMEOUT = 5.0
#: Seconds of this machine's clock for which a service that failed is not asked again: positions are not to wait for it.
PAUSE = 30.0


class NoPrices(LookupError):
    """A price service that cannot be asked, or answers with something else."""


class PriceService:
    """Fetches updates by HTTP; `bulkhead.keeper.pulled.Updates` is anything that can be called as this is.

    url   of the service, to which /v2/updates/price/TIME is added
    key   sent as `Authorization: Bearer`, where there is one

    Source of the question and its answer: https://hermes.pyth.network/docs (first update at or after a publish time).
    """

    def __init__(self, url: str, key: str = "") -> None:
        self._url, self._silent_until = url.rstrip("/"), 0.0
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def __call__(self, price_id: bytes, since: int) -> Sequence[bytes]:
        """Updates among which is the first published at or after unix second `since`; none if there is none yet.

        Raises NoPrices.
        """
        if time.monotonic() < self._silent_until:
            raise NoPrices(f"The price service {self._url} has failed a moment ago.")
        try:
            return self._asked(price_id, since)
        except (requests.RequestException, ValueError, TypeError, KeyError) as error:
            self._silent_until = time.monotonic() + PAUSE
            raise NoPrices(f"The price service {self._url} does not help: {type(error).__name__}: {error}") from None

    def _asked(self, price_id: bytes, since: int) -> list[bytes]:
        response = requests.get(
            f"{self._url}/v2/updates/price/{since}",
            params={"ids[]": "0x" + price_id.hex(), "encoding": "hex"},
            headers=self._headers,
            timeout=TIMEOUT,
        )
        if response.status_code == requests.codes.not_found:
            return []
        response.raise_for_status()
        return [bytes.fromhex(text.removeprefix("0x")) for text in response.json()["binary"]["data"]]
