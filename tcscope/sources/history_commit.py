"""The commit that a check is of: what was asked for, else what the build server says, else what git says."""

from __future__ import annotations

import os
import re
import subprocess

from tcscope.errors import UsageError

# GitHub, GitLab, Azure, Bitbucket, CircleCI, Buildkite, Jenkins' git plugin, Travis, Drone, AWS CodeBuild, AppVeyor
VARIABLES = (
    *("GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION", "BITBUCKET_COMMIT", "CIRCLE_SHA1", "BUILDKITE_COMMIT"),
    *("GIT_COMMIT", "TRAVIS_COMMIT", "DRONE_COMMIT_SHA", "CODEBUILD_RESOLVED_SOURCE_VERSION", "APPVEYOR_REPO_COMMIT"),
)
_SHA = re.compile(r"[0-9a-f]{7,64}")
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")  # a SHA or a tag; neither a path nor a sentence
_PATIENCE_S = 10


def commit(asked: str | None = None) -> str:
    """The commit's SHA, '' where nobody knows. Raises UsageError where what was asked for is none."""
    if asked is not None:
        if not _NAME.fullmatch(asked):
            raise UsageError(f"'{asked}' names no commit", "--commit $(git rev-parse HEAD)")
        return asked
    told = (os.environ.get(name, "").strip().lower() for name in VARIABLES)
    return next((sha for sha in told if _SHA.fullmatch(sha)), None) or _of_git()


def _of_git() -> str:
    """HEAD of the repository around the current folder."""
    command = ["git", "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    sha = done.stdout.strip()
    return sha if done.returncode == 0 and _SHA.fullmatch(sha) else ""
