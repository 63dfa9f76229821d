"""What all adapters of AWS share: how their failures become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import UnavailableError


@contextmanager
def translated(service: str) -> Iterator[None]:
    """A failure of AWS that the caller did not expect becomes UnavailableError.

    Only the vendor's code is named: messages can quote keys and values.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise UnavailableError(f"The {service} did not take the request ({code}).") from error
    except BotoCoreError as error:
        name = type(error).__name__
        raise UnavailableError(f"The {service} did not take the request ({name}).") from error


def status(error: ClientError) -> int:
    """The HTTP status of AWS's answer, 0 if there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
