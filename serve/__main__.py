"""`python -m serve`: check what can be checked, then let granian run the workers."""

import ctypes
import os
import resource
import shutil
import signal
import socket
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.server import Server

from fraud.errors import Problem
from fraud.errors import run as told
from serve import ROOT, app, drain, logs, pin, run
from serve.access.reading import LEAST
from serve.journal.log import Log
from serve.model import WANTED, loaded
from serve.settings import Settings, load

PR_SET_PDEATHSIG = 1  # Of prctl(2).
GRACE = 30  # Seconds that a worker has for its last answers.
CONNECTIONS = 16_384  # A worker's; granian's own 512 would let idle callers keep others out.
AGAIN, WITHIN = 10, 60.0  # Workers brought back, and seconds, from which on it is a crash loop.


class Master(Server):  # type: ignore[misc,valid-type]  # granian picks its class when it is imported.
    """Granian's main process, in which SIGHUP reloads the model, and a worker may be killed twice in a row."""

    _respawned: tuple[float, ...] = ()

    def signal_handler_reload(self, *_: Any) -> None:
        """Ask one of the workers to do what POST /reload-model does."""
        (Path(os.environ[run.VARIABLE]) / WANTED).touch()

    def _respawn_workers(self, *given: Any, **named: Any) -> None:
        """Bring workers back; granian alone would end the server at the second death within 5.5 s."""
        super()._respawn_workers(*given, **named)
        now = time.monotonic()
        self._respawned = (*(then for then in self._respawned if then > now - WITHIN), now)
        if len(self._respawned) < AGAIN:
            self.respawned_wrks.clear()
        if self.interrupt_children:  # One that died in the moment before granian cleared this.
            self.main_loop_interrupt.set()


def main() -> None:
    """Serve until a signal comes."""
    settings = load(os.environ)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # A shell's 1,024 are few connections.
    folder = run.made()
    os.environ[run.VARIABLE] = str(folder)
    try:
        _check(settings, folder)
        place = f"{'https' if settings.tls_cert else 'http'}://{settings.host}:{settings.port}/"
        print(f"serving on {place} with {settings.workers} workers", file=sys.stderr, flush=True)
        run.with_tokens(settings, folder)
        os.register_at_fork(after_in_child=partial(_as_worker, os.getpid()))
        _master(settings).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_worker(parent: int) -> None:
    """End with a signal that comes before granian listens for it, and with the main process, however that ends."""
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
    drain.on_signal()
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):  # Linux has it.
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # It ended before this.
        os.kill(os.getpid(), signal.SIGTERM)


def _check(settings: Settings, folder: Path) -> None:
    """Raise here, once and in one line, what would keep each worker from starting."""
    _check_port(settings)
    found = pin.read(ROOT, settings.model_path, settings.git_rev)
    with ProcessPoolExecutor(1, get_context("fork")) as trial:  # In a child, as no worker may inherit a session.
        trial.submit(_try_out, pin.model_bytes(ROOT, found), found.path).result()
    Log(settings.request_log, settings.spool, settings.log_sync, folder).close()


def _try_out(content: bytes, path: str) -> None:
    loaded(content, path)


def _check_port(settings: Settings) -> None:
    """Raise where somebody listens already; the workers themselves would quietly share the port with another server."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            raise Problem(f"cannot listen on {place}: {error.strerror}; set another HOST or PORT") from None


def _master(settings: Settings) -> Master:
    return Master(
        f"{app.__name__}:{app.create_app.__name__}",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        blocking_threads=max(LEAST, settings.threads),
        backpressure=CONNECTIONS,
        http=HTTPModes.http1 if settings.tls_cert is None else HTTPModes.auto,
        websockets=False,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE,
        log_dictconfig=logs.CONFIG,
    )


if __name__ == "__main__":
    told(main)
