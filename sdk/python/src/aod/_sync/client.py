"""The client."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from aod._sync.agents import Agents
from aod._sync.environments import Environments
from aod._sync.sessions import Sessions
from aod._sync.transport import Transport
from aod.address import base_url as address
from aod.address import bearer
from aod.call import get
from aod.patience import Patience
from aod.version import __version__

TIMEOUT = httpx.Timeout(60, connect=10)


class Client:
    """Makes the calls of the API for the bearer of one token.

    `base_url` is `AOD_API_URL` or `http://localhost:8777` if it is not given, `token` is
    `AOD_API_TOKEN` or what the file `AOD_API_TOKEN_FILE` holds. `timeout`, in seconds or as
    httpx has it, is how long a call waits for an answer each time that it is made. `patience`
    says how often it is made. `transport` makes connections in another way, as for a test.
    """

    agents: Agents
    environments: Environments
    sessions: Sessions

    def __init__(
        self,
        *,
        base_url: str | None = None,
        token: str | None = None,
        timeout: httpx.Timeout | float | None = None,
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=address(base_url),
            headers={"Authorization": f"Bearer {bearer(token)}", "User-Agent": f"aod-python/{__version__}"},
            timeout=TIMEOUT if timeout is None else timeout,
            transport=transport,
        )
        calls = Transport(self._http, patience or Patience())
        self._calls = calls
        self.agents = Agents(calls)
        self.environments = Environments(calls)
        self.sessions = Sessions(calls)

    def health(self) -> dict[str, Any]:
        """How the server is."""
        return self._calls.ask(dict[str, Any], get("/health"))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
