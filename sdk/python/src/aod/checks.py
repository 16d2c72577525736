"""What the API demands of inputs and its schemas cannot say, so that it is told before anything is sent."""

from typing import Any, Self

from pydantic import BaseModel, model_validator

CONTENT_LIMIT = 65_536

JSONObject = dict[str, Any]
"""Any JSON values by name."""


class SkillChecks(BaseModel):
    """A skill whose text may be stored."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        content: str = getattr(self, "content", "")
        if len(content.encode()) > CONTENT_LIMIT:
            raise ValueError(f"content exceeds {CONTENT_LIMIT} bytes")
        if "SKILL_EOF" in content:
            raise ValueError("content must not contain 'SKILL_EOF'")
        return self


class UrlServer(BaseModel):
    """A server that says of what type it is, also if its author does not."""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, fields: Any) -> Any:
        return {"type": "url", **fields} if isinstance(fields, dict) else fields
