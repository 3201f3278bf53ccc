"""A `dvc` that starts at once: each of its processes is a fork of one that has imported DVC and its S3 client.

A test of the loop runs dozens of DVC commands, and most of the time of each goes into imports.
"""

import atexit
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

MODULES = """
configobj dulwich.porcelain dvc.api dvc.cachemgr dvc.cli dvc.cli.parser dvc.data_cloud dvc.repo.checkout dvc.repo.data
dvc.repo.index dvc.repo.ls dvc.repo.open_repo dvc.repo.worktree dvc.stage.imports dvc_data.hashfile.checkout
dvc_data.index dvc_render.vega_templates dvc_s3 flatten_dict fsspec.implementations.dirfs fsspec.implementations.memory
networkx platformdirs pygit2 rich.console ruamel.yaml s3fs scmrepo.git
"""  # what the commands of these tests import; one that is missing here only costs its time again
CLIENT = """\
#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(8) or 70))
"""


@cache
def programs() -> Path:
    """Return a folder for the front of PATH, whose `dvc` is a fork of a process that lives as long as these tests."""
    folder = Path(tempfile.mkdtemp(prefix="warm-dvc-"))
    program, address = folder / "dvc", str(folder / "socket")
    program.write_text(CLIENT.format(python=sys.executable, address=address))
    program.chmod(0o755)
    process = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE)
    atexit.register(_stop, process, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return folder


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.terminate()
    process.communicate()
    shutil.rmtree(folder)


def serve(address: str) -> None:
    """Fork one DVC process for each connection."""
    for module in MODULES.split():
        importlib.import_module(module)
    gc.freeze()  # No fork walks what they share.
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
    """Be the process that the client asked for, and end."""
    from dvc.cli import main  # noqa: PLC0415  # the tests themselves do not need it

    code = 70
    try:
        _, files, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as stream:
            folder, environment, words = json.loads(stream.read())
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
