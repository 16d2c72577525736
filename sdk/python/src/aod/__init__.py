"""The Python client of Agent on Demand.

    from aod import Client

    with Client() as client:  # AOD_API_URL, AOD_API_TOKEN
        agent = client.agents.create(name="hello", runtime="shell")
        result = client.sessions.run(agent_id=agent.id, prompt="echo hello")

`AsyncClient` has the same methods as coroutines. A call that may be made again is made
again when the connection breaks or the server is not there for a moment; whatever creates
or prompts carries an idempotency key, so it is done once. `sessions.follow` shows each
event of a session once and in order, whatever happens to the connections.
"""

from aod._async.client import AsyncClient
from aod._async.stream import AsyncStream
from aod._sync.client import Client
from aod._sync.stream import Stream
from aod.call import PackageManager
from aod.errors import (
    AodConnectionError,
    AodError,
    AodHTTPError,
    AuthError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ServerError,
    UnexpectedAnswerError,
    ValidationError,
)
from aod.event import StreamEvent, StreamEventType
from aod.inputs import GithubRepoResource
from aod.models import (
    Agent,
    AgentVersion,
    Environment,
    EnvironmentVersion,
    GithubSkill,
    InlineSkill,
    McpServer,
    McpServerStdio,
    Networking,
    NetworkingType,
    Runtime,
    Session,
    SessionCreated,
    SessionPrompted,
    SessionStatus,
    SessionTerminated,
    Skill,
    TurnStatus,
)
from aod.models import McpServerURL as McpServerUrl
from aod.models import Resource as SessionResource
from aod.models import Turn as SessionTurn
from aod.patience import Patience
from aod.result import RunResult, SessionAck
from aod.version import __version__

__all__ = [
    "Agent",
    "AgentVersion",
    "AodConnectionError",
    "AodError",
    "AodHTTPError",
    "AsyncClient",
    "AsyncStream",
    "AuthError",
    "Client",
    "ConflictError",
    "Environment",
    "EnvironmentVersion",
    "GithubRepoResource",
    "GithubSkill",
    "InlineSkill",
    "McpServer",
    "McpServerStdio",
    "McpServerUrl",
    "Networking",
    "NetworkingType",
    "NotFoundError",
    "PackageManager",
    "Patience",
    "RateLimitError",
    "RunResult",
    "Runtime",
    "ServerError",
    "Session",
    "SessionAck",
    "SessionCreated",
    "SessionPrompted",
    "SessionResource",
    "SessionStatus",
    "SessionTerminated",
    "SessionTurn",
    "Skill",
    "Stream",
    "StreamEvent",
    "StreamEventType",
    "TurnStatus",
    "UnexpectedAnswerError",
    "ValidationError",
    "__version__",
]
