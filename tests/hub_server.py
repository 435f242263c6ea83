"""A Hub on this machine, as its client knows one: repositories, branches and commits, tokens and private ones."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.http_server import Answers, listening


class Refused(Exception):
    """An answer of this status, with an error in words and, for the client, its code."""

    def __init__(self, status: int, words: str = "", code: str = "", **more: str) -> None:
        super().__init__(status, {"error": words, **more}, {"X-Error-Code": code} if code else {})


@dataclass
class Repository:
    """Commits by their hash, each a whole tree, and what the branches point to."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches["main"] = self.commit({})

    def commit(self, files: dict[str, bytes]) -> str:
        made = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[made] = files
        return made

    def resolve(self, revision: str) -> str:
        """Return the hash of what a branch or a hash stands for."""
        found = self.branches.get(revision, revision)
        if found not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found


@dataclass
class FakeHub:
    """What it has, and what it was asked.

    Attributes:
        repositories: by USER/NAME.
        users: by token.
        asked: method and path of each request.
        down: it answers 500 to everything.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=lambda: {"hf_ann": "ann"})
    asked: list[str] = field(default_factory=list)
    down: bool = False
    address: str = ""

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[name]
        return repository.commits[repository.resolve(revision)]

    def answer(self, user: str | None, path: str, body: bytes) -> Any:
        """Return what is sent as JSON, or the content of a file."""
        if self.down:
            raise Refused(500, "down")
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._created(user, json.loads(body))
        if path.startswith("/api/models/"):
            return self._api(user, path.removeprefix("/api/models/").split("/", 3), body)
        parts = path.lstrip("/").split("/", 4)
        name = "/".join(parts[:2])
        self._seen(user, name)
        try:
            return self.files(name, parts[3])[parts[4]]
        except LookupError:
            raise Refused(404, code="EntryNotFound") from None

    def _created(self, user: str | None, wanted: dict[str, Any]) -> Any:
        owner = wanted.get("organization") or user
        name = f"{owner}/{wanted['name']}"
        made = {"url": f"{self.address}/{name}", "name": name, "id": name}
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if owner != user:
            raise Refused(403, "You don't have the rights to create a model under this namespace")
        if name in self.repositories:
            raise Refused(409, "You already created this model repo", url=made["url"])
        self.repositories[name] = Repository(wanted.get("visibility") == "private" or bool(wanted.get("private")))
        return made

    def _seen(self, user: str | None, name: str) -> Repository:
        """Return the repository, if this user may see it."""
        found = self.repositories.get(name)
        if found is None or (found.private and user != name.split("/")[0]):
            status, code = (401, "") if user is None else (404, "RepoNotFound")
            raise Refused(status, "Repository not found", code)
        return found

    def _api(self, user: str | None, parts: list[str], body: bytes) -> Any:
        name = "/".join(parts[:2])
        what, revision = (*parts[2:], *("revision", "main")[len(parts) - 2 :])
        repository = self._seen(user, name)
        if what == "branch":
            if revision in repository.branches:
                raise Refused(409, "Reference already exists")
            repository.branches[revision] = repository.branches["main"]
            return {}
        files, sha = self.files(name, revision), repository.resolve(revision)
        if what == "tree":
            return [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in files.items()
            ]
        if what == "preupload":
            asked = [file["path"] for file in json.loads(body)["files"]]
            return {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in asked]}
        if what == "commit":
            if user != name.split("/")[0]:
                raise Refused(403, "Forbidden")
            values = [line["value"] for line in map(json.loads, body.splitlines()) if line["key"] == "file"]
            added = {value["path"]: base64.b64decode(value["content"]) for value in values}
            made = repository.branches[revision] = repository.commit(files | added)
            return {"success": True, "commitOid": made, "commitUrl": f"{self.address}/{name}/commit/{made}"}
        known = {"id": name, "sha": sha, "private": repository.private, "downloads": 0, "likes": 0, "tags": []}
        return known | {"siblings": [{"rfilename": path} for path in files]}


@contextmanager
def hub_server() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Answer(Answers):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            user = hub.users.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            status, headers = 200, {}
            try:
                answer = hub.answer(user, path, body)
            except Refused as refused:
                status, answer, headers = refused.args
            if isinstance(answer, bytes):
                name, revision = path[1:].split("/resolve/")
                commit = hub.repositories[name].resolve(revision.split("/")[0])
                headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(answer).hexdigest()}"'}
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for key, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET

    with listening(Answer) as server:
        hub.address = server.address
        yield hub
