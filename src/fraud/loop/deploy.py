"""Let a running server serve the model that dvc.lock pins here, see that it does, and go back where it does not."""

import os
import shlex
import subprocess
import time
from typing import Any, NamedTuple

import msgspec

from fraud.contract import Contract
from fraud.errors import Problem, run
from fraud.loop.lockfile import model_here
from fraud.loop.server import Reply, Server
from fraud.usual import payment

FORM = "ADMIN_TOKEN=… make deploy SERVER=https://host [WITHIN=120] [REPLACE_COMMAND=…] [ROLLBACK_COMMAND=…]"
SMOKE = "smoke-"  # Begins the transaction_id of each payment that is none.
PAUSE = 0.2  # Seconds between two looks.
LIMIT = 600.0  # Seconds for a command, which may have an image to fetch.


class Way(NamedTuple):
    """How to change the server: by commands, or where there are none by asking it to reload."""

    replace: str
    back: str
    within: float


def deploy(server: Server, md5: str, way: Way) -> str:
    """Return what serves now, once it is the model with this md5; any fault goes back and is a problem."""
    before = server.serves()
    try:
        change(server, way)
        reach(server, md5, way.within)
        return smoke(server, md5)
    except Problem as problem:
        raise Problem(f"{server.address}: {problem}; {go_back(server, before, way)}") from None


def change(server: Server, way: Way) -> None:
    """Start the new server, or let the running one load what its own dvc.lock pins."""
    if way.replace:
        return command("REPLACE_COMMAND", way.replace)
    reply = server.ask("POST", "/reload-model", patience=way.within)
    if reply.status != 200:
        raise Problem(f"POST /reload-model got {told(reply)}")
    return None


def told(reply: Reply) -> str:
    """Return a refusal in words."""
    return f"{reply.status or 'nothing'}: {reply.said.get('detail', 'no reason given')}"


def command(name: str, words: str) -> None:
    """Run a command of the person who set this up; its output goes where ours goes."""
    try:
        code = subprocess.run(shlex.split(words), check=False, timeout=LIMIT).returncode
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Problem(f"{name} did not end well ({type(error).__name__}); mend it") from None
    if code:
        raise Problem(f"{name} ended with {code}; mend what it says above")


def reach(server: Server, md5: str, within: float) -> None:
    """Wait until the server is ready with that model."""
    end = time.monotonic() + within
    while (serves := server.serves()) != md5:
        if time.monotonic() > end:
            raise Problem(f"after {within:g} s {_short(serves)} is ready, but {_short(md5)} should be")
        time.sleep(PAUSE)


def smoke(server: Server, md5: str) -> str:
    """Ask for one prediction, of a payment that is ordinary in every feature, and check the answer."""
    contract = server.ask("GET", "/model").said.get("contract")
    if not contract:
        raise Problem("GET /model answers no contract; check ADMIN_TOKEN")
    named = {"transaction_id": f"{SMOKE}{md5[:8]}-{time.time_ns()}"}
    reply = server.ask("POST", "/predict", ordinary(contract) | named)
    probability, threshold = reply.said.get("fraud_probability"), reply.said.get("threshold")
    if reply.status != 200 or reply.said.get("model") != md5:
        raise Problem(f"the smoke prediction got {told(reply)}")
    if not (isinstance(probability, int | float) and isinstance(threshold, int | float) and 0 <= probability <= 1):
        raise Problem(f"the smoke prediction has no probability: {reply.said}")
    return f"{server.address} serves {md5[:6]}…; an ordinary payment is fraud with probability {probability:.4g}"


def ordinary(contract: dict[str, Any]) -> dict[str, Any]:
    """Return a payment that is ordinary in everything, made from a contract as GET /model answers it."""
    try:
        return payment(msgspec.convert(contract, Contract))
    except msgspec.ValidationError as error:
        raise Problem(f"GET /model answers another contract than this one's: {error}; check out its commit") from None


def go_back(server: Server, before: str | None, way: Way) -> str:
    """Bring the model back that was served before, and return what serves now."""
    if way.back and (way.replace or server.serves() != before):
        try:
            command("ROLLBACK_COMMAND", way.back)
            if before:
                reach(server, before, way.within)
        except Problem as problem:
            return f"the way back failed too: {problem}; look at the server now"
    serves = server.serves()
    if before and serves == before:
        return f"{before[:6]}… serves as before"
    lacking = "" if way.back else "; give ROLLBACK_COMMAND, or run `make rollback`"
    return f"now {_short(serves)} serves, before it was {_short(before)}{lacking}"


def _short(md5: str | None) -> str:
    return f"{md5[:6]}…" if md5 else "nothing"


def main(*arguments: str) -> None:
    """Deploy to SERVER=…; ADMIN_TOKEN comes from the environment alone, as arguments can be read by everybody."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    token = os.environ.get("ADMIN_TOKEN", "")
    if not given.get("SERVER") or not token:
        raise Problem(f"{'ADMIN_TOKEN' if given.get('SERVER') else 'SERVER'}: found nothing; {FORM}")
    try:
        within = float(given.get("WITHIN") or 120)
    except ValueError:
        raise Problem(f"WITHIN={given['WITHIN']}: expected seconds, like WITHIN=120") from None
    md5 = model_here()
    way = Way(given.get("REPLACE_COMMAND", ""), given.get("ROLLBACK_COMMAND", ""), within)
    print(deploy(Server(given["SERVER"], token), md5, way))


if __name__ == "__main__":
    run(main)
