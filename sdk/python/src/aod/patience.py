"""What is done again, and when."""

import random
import ssl
from dataclasses import dataclass

import httpx

from aod.errors import AodConnectionError, AodHTTPError

LONGEST_PAUSE = 60.0  # seconds that a server may ask for
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True)
class Patience:
    """How often and how long a client tries.

    A call is made again `retries` times, if it may be; `follow` comes back `reconnects` times
    in a row without hearing anything new. Pauses grow from `first_pause` to `last_pause`
    seconds, `growth` times each, unless the server asks for another. With `wait_for_quota`, a call that is refused
    because too many sessions are active is made again, too.
    """

    retries: int = 3
    reconnects: int = 10
    first_pause: float = 0.25
    last_pause: float = 10.0
    growth: float = 2.0
    wait_for_quota: bool = False

    def pause(self, made: int, retry_after: str | None = None) -> float:
        """Seconds to wait after so many tries."""
        if retry_after is not None and retry_after.isdecimal():
            return min(float(retry_after), LONGEST_PAUSE)
        longest = min(self.first_pause * self.growth ** min(made, 20), self.last_pause)
        return longest * random.uniform(0.5, 1)  # noqa: S311

    def again(self, status_code: int, *, safe: bool) -> bool:
        """Whether a call that was answered so may be made again. It is safe if it may be done twice."""
        match status_code:
            case 502 | 504:
                return safe
            case 503:  # nothing was done
                return True
            case 429:
                return self.wait_for_quota
        return False


def mended(broken: Exception, *, safe: bool) -> bool:
    """Whether another try may mend a connection that broke before the answer."""
    if isinstance(broken, HOPELESS) or not isinstance(broken, httpx.TransportError):
        return False
    cause: BaseException | None = broken
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return False
        cause = cause.__cause__ or cause.__context__
    return safe or isinstance(broken, UNSENT)


def final(broken: Exception) -> bool:
    """Whether a refusal of a stream is the end, and not something that passes."""
    if isinstance(broken, AodHTTPError):
        return broken.status_code < 500 and broken.status_code not in (408, 429)
    return not isinstance(broken, AodConnectionError)
