"""What is given to calls and needs a hand to be given well."""

import re
from posixpath import normpath
from typing import Literal, Self

from pydantic import model_validator

from aod.models import ResourceCreate

REPOSITORY = re.compile(r"https://github\.com/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
RESERVED = ("/", "/home/sprite")


class GithubRepoResource(ResourceCreate):
    """A repository on GitHub to clone. What is wrong with it is told before anything is sent."""

    type: Literal["github_repository"] = "github_repository"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not REPOSITORY.fullmatch(self.url):
            raise ValueError("url must be a valid https://github.com/<owner>/<repo> URL")
        if self.mount_path is None:
            return self
        if not self.mount_path.startswith("/"):
            raise ValueError("mount_path must be an absolute path")
        if normpath(self.mount_path).replace("//", "/") in RESERVED:
            raise ValueError("mount_path must not be the Sprite root")
        return self
