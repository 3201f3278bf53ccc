"""A Python that has imported MLflow already: each module that it runs is a fork of one process.

A test of `make track` starts it a few times, and most of the time of each goes into imports.
"""

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

MODULES = "alembic.command mlflow mlflow.onnx mlflow.pyfunc mlflow.store.tracking.rest_store onnx onnxruntime pandas"


@cache
def program() -> Path:
    """Return a program that takes the name of a module and its arguments, and lives as long as these tests."""
    from mlflow_server import environment, python  # noqa: PLC0415  # in MLflow's Python there is no pytest
    from warm_dvc import CLIENT  # noqa: PLC0415  # the same

    folder = Path(tempfile.mkdtemp(prefix="warm-mlflow-"))
    client, address = folder / "python", str(folder / "socket")
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    source = Path(__file__).parent.parent / "src"
    command = [python(), "-W", "ignore", __file__, address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(PYTHONPATH=str(source)))
    atexit.register(process.terminate)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return client


def serve(address: str) -> None:
    """Fork for each connection."""
    for module in MODULES.split():
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    """Run the module in a process of its own, as it may end that; say how it ended, and end."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as stream:
        folder, settings, words = json.loads(stream.read())
    child = os.fork()
    if child == 0:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(settings)
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
