"""The calls that are about environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aod._sync.transport import Transport
from aod.call import ID, Call, Network, Packages, get, make, put
from aod.models import Deleted, Environment, EnvironmentVersion
from aod.result import Rows


class Environments:
    """Recipes for Sprites."""

    def __init__(self, calls: Transport) -> None:
        self._calls = calls

    def create(
        self,
        *,
        name: str,
        packages: Packages | None = None,
        env_vars: Mapping[str, str] | None = None,
        setup_script: str | None = None,
        networking: Network | None = None,
        idempotency_key: str | None = None,
    ) -> Environment:
        """Creates an environment. Its variables are encrypted and never returned.

        The same `idempotency_key` makes the same environment, also in another process.
        """
        call = make(
            "/environments",
            idempotency_key,
            name=name,
            packages=packages,
            env_vars=env_vars,
            setup_script=setup_script,
            networking=networking,
        )
        return self._calls.ask(Environment, call)

    def list(self) -> list[Environment]:
        """All environments that are not archived, the newest first."""
        return [environment for environment in self.iterate()]

    def iterate(self, *, limit: int | None = None) -> Iterator[Environment]:
        """Yields what `list` returns, asking for `limit` at a time."""
        return self._calls.pages(Environment, get("/environments"), limit)

    def get(self, environment_id: ID) -> Environment:
        """The environment as it is now, archived or not."""
        return self._calls.ask(Environment, get(f"/environments/{environment_id}"))

    def update(
        self,
        environment_id: ID,
        *,
        version: int,
        name: str | None = None,
        packages: Packages | None = None,
        env_vars: Mapping[str, str] | None = None,
        setup_script: str | None = None,
        networking: Network | None = None,
    ) -> Environment:
        """Changes what is given of an environment, if `version` is its present one. Values replace the old ones."""
        call = put(
            f"/environments/{environment_id}",
            version=version,
            name=name,
            packages=packages,
            env_vars=env_vars,
            setup_script=setup_script,
            networking=networking,
        )
        return self._calls.ask(Environment, call)

    def archive(self, environment_id: ID) -> Environment:
        """Hides an environment for good: it takes neither updates nor new sessions."""
        return self._calls.ask(Environment, Call("POST", f"/environments/{environment_id}/archive"))

    def delete(self, environment_id: ID) -> None:
        """Removes an environment that no session has, with its versions."""
        self._calls.ask(Deleted, Call("DELETE", f"/environments/{environment_id}/delete"))

    def versions(self, environment_id: ID) -> Rows[EnvironmentVersion]:
        """Every version that an environment has had, the newest first."""
        return self._calls.rows(EnvironmentVersion, get(f"/environments/{environment_id}/versions"))
