"""A public log over HTTP, as anybody sees it (port: services.witness.PublicLog).

Nothing it says is believed here; the callers verify.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import urllib3

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.merkle import Proof
from chalicelib.domain.notes import VerifierKey

_TIMEOUT_SECONDS = 30.0
_OK = 200


class HttpLog:
    """The log at `url`: `https://host/v1/registers/<agency>/<book>/<year>/<log>`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def key(self) -> VerifierKey:
        """The key the log names as its own: to be believed once, and remembered."""
        return VerifierKey.parse(self._get("key").decode().strip())

    def checkpoint(self) -> bytes:
        return self._get("checkpoint")

    def consistency(self, old_size: int, new_size: int) -> Proof:
        answer = self._json(f"consistency?from={old_size}&to={new_size}")
        return tuple(_hash(node) for node in answer.get("proof", ()))

    def inclusion(self, number: int) -> tuple[bytes, Proof]:
        """The leaf of a number and its proof under the current checkpoint."""
        register, _, _ = self.url.rpartition("/")
        proved = self._json(f"proof/{number}", below=register).get("numbers", {})
        return str(proved["leaf"]).encode(), tuple(_hash(node) for node in proved["proof"])

    def _json(self, path: str, below: str | None = None) -> dict[str, Any]:
        try:
            value = json.loads(self._get(path, below))
        except ValueError as error:
            raise UnavailableError(f"{self.url} did not answer with JSON.") from error
        if not isinstance(value, dict):
            raise UnavailableError(f"{self.url} did not answer with a JSON object.")
        return value

    def _get(self, path: str, below: str | None = None) -> bytes:
        url = f"{below or self.url}/{path}"
        try:
            answer = urllib3.request(
                "GET", url, timeout=_TIMEOUT_SECONDS, redirect=False, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"{self.url} cannot be reached.") from error
        if answer.status != _OK:
            raise UnavailableError(f"{url} answered {answer.status}.")
        return answer.data


def _hash(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnavailableError("The proof is not base64.") from error
