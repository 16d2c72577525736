"""The API document and what is written by hand agree."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import aod
from aod import models
from aod._async.agents import AsyncAgents
from aod._async.environments import AsyncEnvironments
from aod._async.sessions import AsyncSessions
from aod._sync.agents import Agents
from aod._sync.environments import Environments
from aod._sync.sessions import Sessions

DOCUMENT = yaml.safe_load((Path(__file__).parents[3] / "api" / "openapi.yaml").read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: {"path": path, "method": method, **operation}
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if isinstance(operation, dict) and "operationId" in operation
}
RESOURCES: dict[str, Any] = {"Agents": Agents, "Environments": Environments, "Sessions": Sessions}
PAIRS = [
    (Agents, AsyncAgents),
    (Environments, AsyncEnvironments),
    (Sessions, AsyncSessions),
    (aod.Client, aod.AsyncClient),
]
VERBS = {"ListAgentVersions": "versions", "ListEnvironmentVersions": "versions", "ListSessionTurns": "turns"}


def verb(operation: str) -> str:
    name = VERBS.get(operation[0].upper() + operation[1:])
    return name or re.sub("[A-Z].*", "", operation)


def parameters(method: Any) -> set[str]:
    return set(inspect.signature(method).parameters) - {"self", "idempotency_key"}


def test_every_operation_has_its_method() -> None:
    for name, operation in OPERATIONS.items():
        resource = RESOURCES.get(operation["tags"][0])
        if resource is not None:
            assert callable(getattr(resource, verb(name), None)), f"{name} has no method {verb(name)}"


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (Agents.create, models.AgentCreate),
        (Agents.update, models.AgentUpdate),
        (Environments.create, models.EnvironmentCreate),
        (Environments.update, models.EnvironmentUpdate),
        (Sessions.create, models.SessionCreate),
        (Sessions.prompt, models.SessionPrompt),
    ],
)
def test_methods_take_what_bodies_have(method: Any, body: Any) -> None:
    own = {name for name in parameters(method) if not name.endswith("_id") or name in body.model_fields}
    assert own == set(body.model_fields)


@pytest.mark.parametrize("noun", ["Agents", "Environments", "Sessions"])
def test_lists_take_what_queries_have(noun: str) -> None:
    given = [
        DOCUMENT["components"]["parameters"].get(p.get("$ref", "").split("/")[-1], p)
        for p in OPERATIONS[f"list{noun}"]["parameters"]
    ]
    names = {p["name"] for p in given}
    assert parameters(RESOURCES[noun].iterate) == names - {"cursor"}
    assert parameters(RESOURCES[noun].list) == names - {"cursor", "limit"}


def test_operations_that_take_a_key_are_sent_one() -> None:
    keyed = {
        name
        for name, o in OPERATIONS.items()
        if any("IdempotencyKey" in p.get("$ref", "") for p in o.get("parameters", ()))
    }
    taking = {
        name
        for name, o in OPERATIONS.items()
        if o["tags"][0] in RESOURCES
        and "idempotency_key" in inspect.signature(getattr(RESOURCES[o["tags"][0]], verb(name))).parameters
    }
    assert taking == keyed


@pytest.mark.parametrize(("sync", "coroutines"), PAIRS)
def test_both_clients_have_the_same_methods(sync: type, coroutines: type) -> None:
    def public(kind: type) -> dict[str, Any]:
        return {name: m for name, m in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}

    ours, theirs = (
        public(sync),
        {name.replace("aclose", "close"): method for name, method in public(coroutines).items()},
    )
    assert set(ours) == set(theirs)
    for name, method in ours.items():
        assert list(inspect.signature(method).parameters) == list(inspect.signature(theirs[name]).parameters)
        assert inspect.getdoc(method)
        assert inspect.getdoc(method) == inspect.getdoc(theirs[name])


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"].get("examples", {})))
def test_the_documents_examples_are_read(name: str) -> None:
    kind = next(kind for kind in ("Agent", "Environment", "Session") if name.startswith(kind))
    value = DOCUMENT["components"]["examples"][name]["value"]
    assert getattr(models, kind).model_validate(value).id == value["id"]


def test_every_name_of_the_first_version_is_there() -> None:
    names = """Agent AgentVersion AodError AodHTTPError AsyncClient AuthError Client ConflictError Environment
        EnvironmentVersion McpServer Networking NetworkingType NotFoundError PackageManager RateLimitError ServerError
        Session SessionAck SessionResource SessionStatus SessionTurn StreamEvent StreamEventType TurnStatus
        ValidationError"""
    assert set(names.split()) <= set(aod.__all__)


def test_everything_that_is_exported_is_there() -> None:
    for name in aod.__all__:
        assert getattr(aod, name) is not None
    assert re.fullmatch(r"\d+\.\d+\.\d+", aod.__version__)
