"""Programs that start at once: each process is a fork of one that has imported the libraries, and none of our code.

A test of the loop starts dozens of Pythons, and most of the time of each goes into imports of DVC, MLflow or pandas.
What no fork can be, such as a Python with settings of its own, is started as ever.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

# What the commands of the tests import; one that is missing here only costs its time again.
GRAPH = """
alembic.command configobj dulwich.porcelain dvc.api dvc.cachemgr dvc.cli dvc.cli.parser dvc.data_cloud
dvc.repo.checkout dvc.repo.data dvc.repo.index dvc.repo.ls dvc.repo.open_repo dvc.repo.worktree dvc.stage.imports
dvc_data.hashfile.checkout dvc_data.index dvc_render.vega_templates dvc_s3 flatten_dict fsspec.implementations.dirfs
fsspec.implementations.memory imblearn.over_sampling imblearn.under_sampling joblib msgspec networkx numpy onnx
onnx.helper onnxruntime pandas platformdirs pyarrow.compute pyarrow.csv pyarrow.parquet pygit2 rich.console ruamel.yaml
s3fs scipy.stats scmrepo.git sklearn.calibration sklearn.ensemble sklearn.metrics sklearn.model_selection
sklearn.pipeline sklearn.preprocessing sqlalchemy tqdm
"""
TRACKING = "alembic.command mlflow mlflow.onnx mlflow.pyfunc mlflow.store.tracking.rest_store onnx onnxruntime pandas"
FIRST = ("ARROW_", "MKL_", "NPY_", "OMP_", "OPENBLAS_", "PYTHON")  # Read when a process or a library starts.
CLIENT = """\
#!{python} -SE
import json, os, socket, sys
words = {words} + sys.argv[1:]
own = dict((name, value) for name, value in os.environ.items() if name.startswith({first}) and name != "PYTHONPATH")
if own != {own} or words[:1] != ["-m"]:
    os.execv({python!r}, [{python!r}, *words])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([os.getcwd(), dict(os.environ), words[1:]]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(8) or 70))
"""


@cache
def programs() -> Path:
    """Return a folder for the front of PATH, with a `python` and a `dvc` that live as long as these tests."""
    return started(sys.executable, GRAPH, {"python": [], "dvc": ["-m", "dvc"]})


def started(python: str, modules: str, names: dict[str, list[str]], **settings: str) -> Path:
    """Return a folder of programs, each with its first words, which are forks of a Python with these modules."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    address = str(folder / "socket")
    own = {name: value for name, value in os.environ.items() if name.startswith(FIRST) and name != "PYTHONPATH"}
    for name, words in names.items():
        text = CLIENT.format(python=python, words=words, address=address, first=FIRST, own=own)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "MLFLOW_"))}
    command = [python, __file__, address, *modules.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, env=kept | settings)
    atexit.register(_stop, process, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return folder


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.terminate()
    process.communicate()
    shutil.rmtree(folder)


class Forks:
    """The processes that run for clients; one whose client is gone is killed with all that it started."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._clients: dict[int, socket.socket] = {}  # By process.
        self._woken, self._waker = socket.socketpair()
        for end in self._woken, self._waker:
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> socket.socket:
        """Fork for each client; return its connection in the process that is the fork."""
        while True:
            poll = select.poll()
            poll.register(self._listener, select.POLLIN)
            poll.register(self._woken, select.POLLIN)
            for client in self._clients.values():
                poll.register(client, 0)  # Tells of nothing but its end.
            seen = {file for file, _ in poll.poll()}
            self._end(seen)
            if self._listener.fileno() in seen:
                connection, _ = self._listener.accept()
                if not (process := _fork()):
                    return connection
                self._clients[process] = connection

    def _end(self, seen: set[int]) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)
        for process in [process for process, client in self._clients.items() if client.fileno() in seen]:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
        for process, client in list(self._clients.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                with suppress(OSError), client:
                    client.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
                del self._clients[process]


def _fork() -> int:
    """Return 0 in a process with a session of its own, so that it can be killed with all that it starts."""
    with warnings.catch_warnings(action="ignore"):  # Of threads that NumPy holds ready; it minds forks itself.
        process = os.fork()
    if process == 0:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return process


def be(connection: socket.socket) -> None:
    """Do what the client was asked to: run a module with its words, folder, environment and open files."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection, connection.makefile("rb") as stream:
        folder, settings, words = json.loads(stream.read())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(settings)
    time.tzset()
    sys.path[:1] = [folder, *(str(Path(one).absolute()) for one in settings.get("PYTHONPATH", "").split(":") if one)]
    sys.argv = words
    _end(_code(words[0]))


def _code(module: str) -> int:
    """Run a module as `python -m` does, and return with what it ended."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> None:
    """End as Python does, but for what libraries in C++ do last: they wait for threads that no fork has."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(address: str, *modules: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        for module in modules:
            importlib.import_module(module)
    gc.freeze()  # No fork walks what they share.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        connection = Forks(listener).serve()
    be(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
