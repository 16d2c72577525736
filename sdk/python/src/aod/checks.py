"""What the API demands of inputs and its schemas cannot say, so that it is told before anything is sent."""

import re
from posixpath import normpath
from typing import Any, Self

from pydantic import BaseModel, model_validator

REPOSITORY = re.compile(r"https://github\.com/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
CONTENT_LIMIT = 65_536
RESERVED = ("/", "/home/sprite")

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


class RepositoryChecks(BaseModel):
    """A repository that can be cloned to its place."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        url: str = getattr(self, "url", "")
        path: str | None = getattr(self, "mount_path", None)
        if not REPOSITORY.fullmatch(url):
            raise ValueError("url must be a valid https://github.com/<owner>/<repo> URL")
        if path is None:
            return self
        if not path.startswith("/"):
            raise ValueError("mount_path must be an absolute path")
        if normpath(path).replace("//", "/") in RESERVED:
            raise ValueError("mount_path must not be the Sprite root")
        return self
