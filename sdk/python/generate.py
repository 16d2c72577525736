"""Generates what is not written by hand: the models, from the API document, and the sync client, from the async one."""

import shutil
import subprocess
from pathlib import Path

import unasync

HERE = Path(__file__).parent
PACKAGE = HERE / "src" / "aod"
DOCUMENT = HERE.parent.parent / "api" / "openapi.yaml"

MODELS: list[str | Path] = [
    *("datamodel-codegen", "--input", DOCUMENT, "--input-file-type", "openapi", "--output", PACKAGE / "models.py"),
    *("--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--formatters", "builtin"),
    *("--enum-field-as-literal", "all", "--use-one-literal-as-default", "--use-type-alias", "--use-annotated"),
    *("--use-schema-description", "--use-field-description", "--disable-timestamp"),
    # Objects of any JSON are dictionaries; what a schema cannot say of inputs is checked by a base class.
    *("--type-overrides", '{"Metadata": "aod.checks.JSONObject"}'),
    *("--base-class-map", '{"InlineSkill": "aod.checks.SkillChecks", "McpServerURL": "aod.checks.UrlServer"}'),
]

SYNC = {
    "AsyncAgents": "Agents",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncEnvironments": "Environments",
    "AsyncEvents": "Events",
    "AsyncOnEvent": "OnEvent",
    "AsyncSessions": "Sessions",
    "AsyncStream": "Stream",
    "AsyncTransport": "Transport",
    "_async": "_sync",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "asleep": "sleep",
    "atell": "tell",
}


def models() -> None:
    """Writes models.py."""
    subprocess.run(MODELS, check=True)  # noqa: S603


def sync() -> None:
    """Writes _sync, each file of _async without what makes it async."""
    shutil.rmtree(PACKAGE / "_sync", ignore_errors=True)
    rule = unasync.Rule("/_async/", "/_sync/", SYNC)
    unasync.unasync_files([str(file) for file in sorted((PACKAGE / "_async").glob("*.py"))], [rule])
    (PACKAGE / "_sync" / "__init__.py").write_text('"""The client without coroutines, generated from _async."""\n')


def main() -> None:
    """Generates everything, in the form that ruff gives to the rest."""
    models()
    sync()
    made = [PACKAGE / "models.py", PACKAGE / "_sync"]
    for command in (["check", "--quiet", "--fix", "--select", "I,F401"], ["format", "--quiet"]):
        subprocess.run(["ruff", *command, *made], check=True)  # noqa: S603, S607


if __name__ == "__main__":
    main()
