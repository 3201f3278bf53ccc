"""Tell the story of the loop on one machine: an ordinary week, a drifted one, the merge, the reload, the trace."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from fraud.errors import Problem
from fraud.errors import run as told
from fraud.loop.deploy import Way, deploy, ordinary, reach
from fraud.loop.files import LOCK, MODEL
from fraud.loop.git import git
from fraud.loop.lockfile import pinned
from fraud.loop.running import free_ports, running
from fraud.loop.server import Server
from fraud.params_file import Value, change

PLACE = Path(".dvc/tmp/demo")
KEPT = {"HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR", "USER"}
TOKEN = secrets.token_hex(16)
IDENTITY = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
SHOWN = ("[", "no drift", "drift", "params.yaml", "|", "Better", "No different", "Not worse", "Worse", "branch")
START: dict[str, Value] = {  # Small enough for minutes, large enough for the gate.
    "dataset": "creditcard",
    "batches": "data/simulate",
    "simulate.weeks": 8,
    "simulate.rows_per_week": 6000,
    "simulate.drift": "none",
    "simulate.drift_from": 10,
    "split.until": "2026-W08",
    "train.trees": 50,
    "evaluate.samples": 200,
}
ORDINARY: dict[str, Value] = {"simulate.weeks": 9}
DRIFTED: dict[str, Value] = {"simulate.weeks": 11, "simulate.drift": "shift"}


class Stage:
    """A bare repository in GitHub's place, a working copy for the loop, and one that the server runs in."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Begin with nothing in `folder`."""
        self.root, self.origin = root, folder / "origin.git"
        self.work, self.deployed = folder / "work", folder / "deployed"

    def run(self, *words: str, at: Path) -> str:
        """Run a command and return what it printed; what fails there ends the demo."""
        settings = {
            "PYTHONPATH": "src",
            "REQUEST_LOG": f"sqlite:///{self.deployed}/data/requests.db",
            "NOTIFY_URLS": "",
        }
        done = subprocess.run(
            words,
            cwd=at,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Problem(f"{done.stdout}\n`{' '.join(words)}` ended with {done.returncode}; the lines above say why")
        return done.stdout

    def loop(self, verb: str, *words: str) -> str:
        """Run a verb of the loop in the working copy."""
        return self.run(sys.executable, "-m", f"fraud.loop.{verb}", *words, at=self.work)

    def commit(self, message: str, values: dict[str, Value]) -> None:
        """Change parameters, run the graph, and put the result on main, as a merged pull request would."""
        change(values, self.work / "params.yaml")
        self.loop("repro")
        self.loop("transfer", "push")
        git("add", "--all", at=self.work)
        git(*IDENTITY, "commit", "--quiet", "-m", message, at=self.work)
        git("push", "--quiet", "origin", "main", at=self.work)

    def model(self, at: Path) -> str:
        """Return the md5 of the model that a working copy pins."""
        return pinned((at / LOCK).read_text(encoding="utf-8"))[MODEL]


def begin(root: Path, folder: Path) -> Stage:
    """Return the stage with a first model on main: eight ordinary weeks, few enough rows to train in seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    stage = Stage(root, folder)
    git("clone", "--quiet", "--bare", "--local", str(root), str(stage.origin))
    git("clone", "--quiet", str(stage.origin), str(stage.work))
    git("checkout", "--quiet", "-B", "main", at=stage.work)
    stage.run("dvc", "remote", "add", "--force", "--default", "demo", str(folder / "store"), at=stage.work)
    stage.commit("Begin the demo with small weeks", START)
    git("clone", "--quiet", "--branch", "main", str(stage.origin), str(stage.deployed))
    return stage


def round_(stage: Stage, title: str, values: dict[str, Value]) -> str:
    """Let weeks arrive and the loop look at them; return what it printed."""
    heading(title)
    change(values, stage.work / "params.yaml")
    git(*IDENTITY, "commit", "--quiet", "--all", "-m", title, at=stage.work)
    git("push", "--quiet", "origin", "main", at=stage.work)
    said = stage.loop("retrain", "--only", "candidate")
    shown = [line for line in said.splitlines() if line.startswith(SHOWN)]
    print(*(f"    {line}" for line in shown), sep="\n", flush=True)
    return said


def heading(words: str) -> None:
    """Begin a chapter."""
    print(f"\n== {words}", flush=True)


def merge(stage: Stage, branch: str) -> None:
    """Do on the stage what the button of a pull request does."""
    words = ["merge", "--quiet", "--no-ff", "-m", f"Merge pull request #1 from demo/{branch}", f"origin/{branch}"]
    git(*IDENTITY, *words, at=stage.work)
    git("push", "--quiet", "origin", "main", at=stage.work)


def bring(stage: Stage) -> None:
    """Bring main and the model that it pins to where the server runs."""
    git("pull", "--quiet", at=stage.deployed)
    stage.run("dvc", "pull", "--quiet", MODEL, at=stage.deployed)


@contextmanager
def served(stage: Stage, folder: Path) -> Iterator[Server]:
    """Serve what `deployed` pins until the block ends."""
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    settings = {"PORT": address.rpartition(":")[2], "API_TOKEN": TOKEN, "ADMIN_TOKEN": TOKEN}
    command = [str(stage.root / ".venv-serve/bin/python"), "-m", "serve"]
    with chdir(stage.deployed), running(command, settings, address, folder) as process:
        server = Server(address, TOKEN)
        reach(server, stage.model(stage.deployed), 60)
        if process.process.poll() is not None:
            raise Problem(f"the server ended: {process.last_words()}")
        yield server


def told_of(server: Server) -> str:
    """Return what the server says of its model."""
    return f"/ready: {server.ask('GET', '/ready').said['status']}, model {(server.serves() or 'none')[:6]}…"


def main() -> None:
    """Tell it from the first week to the traced prediction."""
    for name in os.environ.keys() - KEPT:  # A log, a model or a gateway that is set here is meant for something else.
        del os.environ[name]
    root, folder = Path.cwd(), PLACE.resolve()
    begun = time.monotonic()
    heading("A first model: eight ordinary weeks, trained, pinned, pushed, served")
    stage = begin(root, folder)
    bring(stage)
    with served(stage, folder) as server:
        print(f"    {told_of(server)}; dvc.lock on main pins {stage.model(stage.work)[:6]}…")
        round_(stage, "An ordinary week arrives", ORDINARY)
        said = round_(
            stage,
            "Two weeks arrive in which customers pay otherwise; with the ninth, three come after the window",
            DRIFTED,
        )
        branch = "retrain/2026-W11"
        if f"branch={branch}" not in said:
            raise Problem("the drifted weeks did not lead to a proposal; the lines above say why")
        heading("The pull request that would be opened")
        git("fetch", "--quiet", "origin", at=stage.work)
        print(stage.loop("propose", f"BRANCH={branch}", "DRY_RUN=1"), flush=True)
        heading("A person merges it; the server reloads")
        merge(stage, branch)
        bring(stage)
        print(f"    {deploy(server, stage.model(stage.deployed), Way('', '', 60))}")
        contract = server.ask("GET", "/model").said["contract"]
        answer = server.ask("POST", "/predict", ordinary(contract)).said
        print(f"    /predict: {answer}")
        heading("Where did that answer come from?")
        print(stage.loop("trace", answer["id"], "--replay"), flush=True)
    print(
        f"\nThat took {time.monotonic() - begun:.0f} s. All of it lies in {PLACE}; "
        "`make retrain` does the same for you."
    )


if __name__ == "__main__":
    told(main)
