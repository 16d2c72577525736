"""Finds every operation, and reads the document's own examples, with what the generators of Python made of it."""

import importlib
import json
import re
import sys
from pathlib import Path

import attrs_client.models
import models
import pydantic_client
import yaml

document = yaml.safe_load(Path(sys.argv[1]).read_text())

operations = [o for path in document["paths"].values() for o in path.values() if "operationId" in o]
assert len(operations) >= 24, len(operations)
for operation in operations:
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", operation["operationId"]).lower()
    tag = operation["tags"][0]
    importlib.import_module(f"attrs_client.api.{tag.lower()}.{name}")
    getattr(getattr(pydantic_client, f"{tag}Api"), name)

examples = document["components"]["examples"]
assert len(examples) >= 14, len(examples)
for name, example in examples.items():
    kind = next(k for k in ("Agent", "Environment", "Session") if name.startswith(k))
    value = example["value"]
    read = [
        getattr(models, kind).model_validate(value),
        getattr(attrs_client.models, kind).from_dict(value),
        getattr(pydantic_client, kind).from_dict(value),
    ]
    assert all(one.id == value["id"] for one in read), read

frames = document["paths"]["/sessions/{session_id}/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]["examples"]
events = [json.loads(line[6:]) for e in frames.values() for line in e["value"].splitlines() if line.startswith("data: ")]
assert {e["type"] for e in events} == set(document["components"]["schemas"]["Event"]["discriminator"]["mapping"])
for event in events:
    assert models.Event.model_validate(event).root.type == event["type"]
    assert pydantic_client.Event.from_dict(event).actual_instance.type == event["type"]
