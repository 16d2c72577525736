"""What is sent."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from aod.models import GithubSkill, InlineSkill, McpServerStdio, McpServerURL, Networking, ResourceCreate

ID: TypeAlias = str | UUID
JSON: TypeAlias = Mapping[str, Any]
Skills: TypeAlias = Sequence[InlineSkill | GithubSkill | JSON]
McpServers: TypeAlias = Sequence[McpServerURL | McpServerStdio | JSON]
Resources: TypeAlias = Sequence[ResourceCreate | JSON]
Network: TypeAlias = Networking | JSON
Packages: TypeAlias = Mapping[str, Sequence[str]]
PackageManager: TypeAlias = Literal["apt", "cargo", "gem", "go", "npm", "pip"]
Query: TypeAlias = list[tuple[str, str | int | float | bool | None]]  # as httpx has it


@dataclass(frozen=True)
class Call:
    """One request, which is sent again as it is."""

    method: str
    path: str
    query: Query = field(default_factory=list)
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def safe(self) -> bool:
        """Whether it may be done twice: it reads, or the server knows it again by its key."""
        return self.method == "GET" or "Idempotency-Key" in self.headers


def get(path: str, **query: str | int | Sequence[str] | None) -> Call:
    """A call that reads."""
    pairs: Query = []
    for name, value in query.items():
        values = [value] if isinstance(value, (str, int)) else value or ()
        pairs += [(name, one) for one in values]
    return Call("GET", path, pairs)


def make(path: str, key: str | None, **fields: Any) -> Call:
    """A call that makes something, once for each key."""
    return Call("POST", path, body=given(fields), headers={"Idempotency-Key": key or str(uuid.uuid4())})


def put(path: str, **fields: Any) -> Call:
    """A call that changes something."""
    return Call("PUT", path, body=given(fields))


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None, as JSON has them."""
    return {name: plain(value) for name, value in fields.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON has it. Models leave out what is None, mappings are taken as they are."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value
