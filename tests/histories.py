"""Repositories in which one model came after another, with the files that a retraining commits, and a remote."""

import hashlib
from pathlib import Path

from s3 import Copy, empty

GRAPH = """\
stages:
  train:
    cmd: 'true'
    params: [train]
    outs: [models/model.onnx]
  evaluate:
    cmd: 'true'
    deps: [models/model.onnx]
    metrics: [reports/metrics.json: {cache: false}]
"""


class History(Copy):
    """Each release is a model with its settings and report; the DVC remote is a folder."""

    def release(self, model: str | bytes, metrics: str = "") -> str:
        """Commit what `make repro` would have made, and return the commit."""
        content = model.encode() if isinstance(model, str) else model
        name = model if isinstance(model, str) else hashlib.md5(model, usedforsecurity=False).hexdigest()
        report = f"{metrics or name}\n".encode()
        md5, told = (hashlib.md5(one, usedforsecurity=False).hexdigest() for one in (content, report))
        self.write(
            {
                "models/.gitignore": "/model.onnx\n",
                "reports/metrics.json": report.decode(),
                "params.yaml": f"batches: data/simulate\n\ntrain:\n  seed: {name}\n",
                "dvc.yaml": GRAPH,
                "dvc.lock": f"""\
schema: '2.0'
stages:
  train:
    cmd: 'true'
    params:
      params.yaml:
        train: {{seed: {name}}}
    outs:
    - {{path: models/model.onnx, hash: md5, md5: {md5}, size: {len(content)}}}
  evaluate:
    cmd: 'true'
    deps:
    - {{path: models/model.onnx, hash: md5, md5: {md5}, size: {len(content)}}}
    outs:
    - {{path: reports/metrics.json, hash: md5, md5: {told}, size: {len(report)}}}
""",
            }
        )
        (self.path / "models/model.onnx").write_bytes(content)
        self.keep(content)
        self.kept(md5).parent.mkdir(parents=True, exist_ok=True)
        self.kept(md5).write_bytes(content)
        self.commit()
        return self.head()

    def kept(self, md5: str) -> Path:
        """Return where the remote keeps a file."""
        return self.path / f".dvc-remote/files/md5/{md5[:2]}/{md5[2:]}"

    def head(self, name: str = "HEAD") -> str:
        return self.run("git", "rev-parse", name).strip()

    def text(self, name: str) -> str:
        return (self.path / name).read_text()


def md5_of_text(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def history(path: Path, *models: str | bytes) -> History:
    """Return a repository with these models, the newest last."""
    made = History(empty(path).path)
    made.write({".gitignore": "/.dvc-remote/\n", "README.md": "first\n"})
    for model in models:
        made.release(model)
    return made


def with_origin(made: History) -> History:
    """Give it a bare git remote `origin` that has its main."""
    bare = f"{made.path}.git"
    made.run("git", "init", "-q", "--bare", "-b", "main", bare)
    made.run("git", "remote", "add", "origin", bare)
    made.run("git", "push", "-q", "origin", "main")
    return made
