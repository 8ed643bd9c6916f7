"""A model hub on the loopback that keeps its repositories in memory and speaks what the hub's client asks."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"


@dataclass
class Repository:
    """Commits, each the whole content by file, and what branches and tags mean."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # file -> "cut" or "changed"

    def commit(self, files: dict[str, bytes]) -> str:
        text = json.dumps([len(self.commits), sorted((n, hashlib.sha256(c).hexdigest()) for n, c in files.items())])
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.refs["main"] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision, revision if revision in self.commits else None)


class FakeHub(ThreadingHTTPServer):
    """The server. ``requests`` lists the method and the path of all requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.requests.append(f"{self.command} /{path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = path.split("/")
        if path == "api/validate-yaml":
            return self._send_json({"errors": [], "warnings": []})
        if path == "api/repos/create":
            return self._create(json.loads(body))
        if parts[0] == "lfs":
            self.server.blobs[parts[1]] = body
            return self._send(200)
        if path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            upload = [
                {**each, "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}"}}} for each in wanted
            ]
            return self._send_json({"transfer": "basic", "objects": upload})
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        rest = parts[4:] if parts[0] == "api" else parts[2:]
        found = self.server.repositories.get(name)
        authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if found is None or (found.private and not authorised):
            return self._send(404 if authorised else 401, {"X-Error-Code": "RepoNotFound"} if authorised else {})
        if rest[:1] == ["refs"]:
            branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": sha} for n, sha in found.refs.items()]
            return self._send_json({"branches": branches, "converts": [], "tags": []})
        if rest[:1] == ["preupload"]:
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for f in files
            ]
            return self._send_json({"files": modes})
        if rest[:1] == ["commit"]:
            return self._commit(found, name, body)
        sha = found.resolve(rest[1] if len(rest) > 1 else "main")
        if sha is None:
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        if parts[0] == "api":
            siblings = [{"rfilename": each} for each in found.commits[sha]]
            return self._send_json({"id": name, "sha": sha, "private": found.private, "siblings": siblings, "tags": []})
        return self._resolve(found, sha, "/".join(rest[2:]))

    def _resolve(self, found: Repository, sha: str, file: str) -> None:
        if file not in found.commits[sha]:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        content, fault = found.commits[sha][file], found.faults.get(file)
        headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if fault == "changed":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault == "cut" and self.command == "GET":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return None
        return self._send(200, {**headers, "X-Linked-Etag": headers["ETag"]}, content)

    def _create(self, asked: dict[str, str]) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            return self._send(
                403, {"X-Error-Message": "You don't have the rights to create a model under this namespace"}
            )
        self.server.repositories[name] = Repository(private=asked.get("visibility") == "private")
        self.server.repositories[name].commit({".gitattributes": b""})
        return self._send_json({"url": f"{self.server.url}/{name}"})

    def _commit(self, found: Repository, name: str, body: bytes) -> None:
        files = dict(found.commits[found.refs["main"]])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        sha = found.commit(files)
        return self._send_json({"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def _send_json(self, content: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def _send(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serve():
    """Serve on a free port until the block ends."""
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


if __name__ == "__main__":
    with serve() as hub:
        print(hub.url, flush=True)
        threading.Event().wait()
