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
from tests.tiny import there


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

    def resolve(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


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
        return repository.commits[there(repository.resolve(revision))]


@contextmanager
def hub_server() -> Iterator[FakeHub]:
    hub = FakeHub()
    with listening(_answers_of(hub)) as server:
        hub.address = server.address
        yield hub


def _answers_of(hub: FakeHub) -> type[Answers]:
    class Answer(Answers):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            user = hub.users.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            if hub.down:
                self._send(500, {"error": "down"})
            elif path == "/api/validate-yaml":
                self._send(200, {"errors": [], "warnings": []})
            elif path == "/api/repos/create":
                self._create(user, json.loads(body))
            elif path.startswith("/api/models/"):
                self._api(user, path.removeprefix("/api/models/").split("/", 3), body)
            else:
                self._file(user, path.lstrip("/").split("/", 4))

        def _create(self, user: str | None, wanted: dict[str, Any]) -> None:
            owner = wanted.get("organization") or user
            name = f"{owner}/{wanted['name']}"
            if user is None:
                self._send(401, {"error": "Invalid username or password."})
            elif owner != user:
                self._send(403, {"error": "You don't have the rights to create a model under this namespace"})
            elif name in hub.repositories:
                self._send(409, {"error": "You already created this model repo", "url": f"{hub.address}/{name}"})
            else:
                private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
                hub.repositories[name] = Repository(private)
                self._send(200, {"url": f"{hub.address}/{name}", "name": name, "id": name})

        def _seen(self, user: str | None, name: str) -> Repository | None:
            """The repository, if this user may see it; answers, if not."""
            found = hub.repositories.get(name)
            if found is not None and (not found.private or user == name.split("/")[0]):
                return found
            known = {} if user is None else {"X-Error-Code": "RepoNotFound"}
            self._send(401 if user is None else 404, {"error": "Repository not found"}, known)
            return None

        def _api(self, user: str | None, parts: list[str], body: bytes) -> None:
            name, rest = "/".join(parts[:2]), parts[2:]
            repository = self._seen(user, name)
            if repository is None:
                return
            what, revision = rest[0] if rest else "revision", rest[1] if len(rest) > 1 else "main"
            if what == "branch":
                there = revision in repository.branches
                repository.branches.setdefault(revision, repository.branches["main"])
                self._send(409 if there else 200, {"error": "Reference already exists"} if there else {})
                return
            commit = repository.resolve(revision)
            if commit is None:
                self._send(404, {"error": f"Invalid rev id: {revision}"}, {"X-Error-Code": "RevisionNotFound"})
                return
            files = repository.commits[commit]
            if what == "revision":
                siblings = [{"rfilename": path} for path in files]
                known = {"id": name, "sha": commit, "private": repository.private, "siblings": siblings}
                self._send(200, known | {"downloads": 0, "likes": 0, "tags": []})
            elif what == "tree":
                entries = [
                    {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for path, data in files.items()
                ]
                self._send(200, entries)
            elif what == "preupload":
                found = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._send(200, {"files": found})
            elif what == "commit":
                self._commit(user, name, revision, body)

        def _commit(self, user: str | None, name: str, revision: str, body: bytes) -> None:
            if user != name.split("/")[0]:
                self._send(403, {"error": "Forbidden"})
                return
            repository = hub.repositories[name]
            lines = [json.loads(line) for line in body.splitlines()]
            files = dict(hub.files(name, revision))
            for line in lines:
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            made = repository.branches[revision] = repository.commit(files)
            self._send(200, {"success": True, "commitOid": made, "commitUrl": f"{hub.address}/{name}/commit/{made}"})

        def _file(self, user: str | None, parts: list[str]) -> None:
            if len(parts) < 5:
                self._send(404, {})
                return
            name, revision, path = "/".join(parts[:2]), parts[3], parts[4]
            repository = self._seen(user, name)
            if repository is None:
                return
            commit = repository.resolve(revision)
            content = repository.commits[commit].get(path) if commit else None
            if content is None:
                self._send(404, {}, {"X-Error-Code": "EntryNotFound"})
                return
            tag = hashlib.sha256(content).hexdigest()
            self._bytes(200, content, {"X-Repo-Commit": str(commit), "ETag": f'"{tag}"'})

        def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
            self._bytes(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **(headers or {})})

        def _bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Answer
