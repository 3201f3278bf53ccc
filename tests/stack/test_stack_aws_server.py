"""ops/aws/server.yaml and the files beside it: Caddy in front of the real server, systemd's checks, tokens from AWS."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from certificates import certificate
from examples import ROOT
from needed import needed
from repositories import Repository
from s3 import free_port
from servers import TOKEN, Live, example, home, running
from stack.amazon import ACCOUNT, listed, resolved, template

OTHER = "a-token-of-another-caller"
PLACE = {"Repository": "https://github.com/bank/fraud", "Domain": "fraud.example.com", "Bucket": "ours"}


class Served(NamedTuple):
    """A server, asked through the proxy and past it."""

    through: Live
    past: Live


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("proxy")
    made = certificate(folder)
    changes = {"WORKERS": "1", "THREADS": "1", "METRICS_OPEN": "loopback", "RATE_LIMIT": "30/minute"}
    with running(home(folder / "home"), API_TOKEN=f"{TOKEN},{OTHER}", **changes) as past:
        environment = {
            "BIND": "127.0.0.1",
            "DOMAIN": f"https://localhost:{(port := free_port())}",
            "PORT": str(past.port),
            "TLS": f"tls {made['TLS_CERT']} {made['TLS_KEY']}",
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        process = started(environment, folder / "caddy")
        try:
            through = Live(past.root, port, process, ssl.create_default_context(cafile=made["TLS_CERT"]))
            wait(through, folder / "caddy")
            yield Served(through, past)
        finally:
            process.terminate()
            process.wait()


def started(environment: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    caddy = needed(shutil.which("caddy"), "caddy")
    with output.open("wb") as file:
        words = [caddy, "run", "--adapter", "caddyfile", "--config", str(ROOT / "ops/aws/Caddyfile")]
        return subprocess.Popen(words, env=environment | {"PATH": os.environ["PATH"]}, stdout=file, stderr=file)


def wait(live: Live, output: Path) -> None:
    for _ in range(200):
        assert live.process.poll() is None, output.read_text()
        try:
            live.get("/ready", token=None)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(output.read_text())


def test_a_payment_is_scored_through_the_proxy_over_tls(served: Served) -> None:
    reply = served.through.post("/predict", example().payments()[0], headers={"X-Request-Id": "mine"})
    assert (reply.status, reply.headers["x-request-id"]) == (200, "mine")
    assert reply.headers["strict-transport-security"] == "max-age=31536000"
    assert not {"server", "alt-svc"} & reply.headers.keys()  # HTTP/3 would come by UDP, which is closed.


def test_a_caller_through_the_proxy_is_not_taken_for_this_machine(served: Served) -> None:
    assert served.past.get("/prometheus", token=None).status == 200
    for headers in {}, {"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"}:
        assert served.through.get("/prometheus", token=None, headers=headers).status == 401


def test_a_body_that_stalls_holds_no_thread_of_the_server(served: Served) -> None:
    context = ssl.create_default_context(cafile=str(served.past.root.parent / "server.crt"))
    with (
        socket.create_connection(("127.0.0.1", served.through.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stalled,
    ):
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        stalled.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{".encode())
        time.sleep(0.3)  # The server would have the only one in it by now that it lends to a caller.
        with closing(served.through.connect(timeout=5)) as connection:
            reply = served.through.post("/predict", example().payments()[0], connection=connection)
    assert reply.status == 200


def test_the_servers_own_word_on_a_body_that_is_too_large_comes_through(served: Served) -> None:
    reply = served.through.post("/predict", b" " * (17 * 2**20))
    assert (reply.status, reply.headers["content-type"]) == (413, "application/problem+json")


def test_the_limit_of_requests_counts_tokens_so_callers_behind_one_proxy_do_not_share_it(served: Served) -> None:
    statuses = [served.through.get("/model", token=OTHER).status for _ in range(40)]
    assert statuses == [200] * 30 + [429] * 10
    assert served.through.get("/model").status == 200


def test_the_proxys_file_is_valid_and_formatted_for_a_domain_of_ones_own() -> None:
    caddy, path = needed(shutil.which("caddy"), "caddy"), str(ROOT / "ops/aws/Caddyfile")
    environment = {"DOMAIN": "fraud.example.com", "PATH": os.environ["PATH"], "HOME": os.devnull}
    words = [caddy, "validate", "--adapter", "caddyfile", "--config", path]
    assert subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0
    formatted = subprocess.run([caddy, "fmt", path], capture_output=True, text=True, check=False).stdout
    assert formatted == (ROOT / "ops/aws/Caddyfile").read_text()


def test_the_machine_takes_callers_on_443_only_and_keeps_its_role_to_itself() -> None:
    made = {name: one["Properties"] for name, one in resolved("server.yaml", **PLACE).items() if "Properties" in one}
    (door,) = made["Firewall"]["SecurityGroupIngress"]
    assert (door["FromPort"], door["ToPort"], door["IpProtocol"]) == (443, 443, "tcp")
    launch = made["Launch"]["LaunchTemplateData"]
    assert launch["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert "KeyName" not in launch
    (disk,) = launch["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True


def test_the_machines_role_reads_models_and_its_two_tokens_and_answers_a_session() -> None:
    role = resolved("server.yaml", **PLACE)["Role"]["Properties"]
    assert "ManagedPolicyArns" not in role
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    found = {action: listed(one["Resource"]) for one in statements for action in listed(one["Action"])}
    parameter = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/fraud"
    assert found["s3:GetObject"] == ["arn:aws:s3:::ours/dvc/files/md5/*"]
    assert found["ssm:GetParameters"] == [f"{parameter}/API_TOKEN", f"{parameter}/ADMIN_TOKEN"]
    stars = {action for action, resources in found.items() if "*" in resources}
    assert stars == found.keys() - {"s3:GetObject", "ssm:GetParameters"}
    assert stars == {"ssm:UpdateInstanceInformation"} | {
        f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")
    }


def test_what_the_machine_runs_first_is_a_script_that_names_files_that_are_there() -> None:
    data = template("server.yaml")["Resources"]["Launch"]["Properties"]["LaunchTemplateData"]["UserData"]
    script = data["Fn::Base64"]["Fn::Sub"]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    named = [word for word in script.split() if word.endswith((".service", ".timer", "Caddyfile")) and "/" not in word]
    assert len(set(named)) == 4
    for name in named:
        assert (ROOT / "ops/aws" / name).exists()


def test_systemd_takes_the_unit_and_finds_little_to_attack() -> None:
    program, unit = needed(shutil.which("systemd-analyze"), "systemd-analyze"), str(ROOT / "ops/aws/fraud-api.service")
    known = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False).stderr.splitlines()
    assert [line for line in known if "fraud-api" in line and "is not executable" not in line] == []
    words = [program, "security", "--offline=true", "--threshold=20", unit]  # 2.0 of 10.
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


class Updated(NamedTuple):
    """A clone that update.sh brings up to date; programs that change the machine write down what they are asked."""

    folder: Path
    origin: Repository

    def change(self, *names: str) -> None:
        """Commit a change of these files to main."""
        for name in names:
            (self.origin.path / name).parent.mkdir(parents=True, exist_ok=True)
            with (self.origin.path / name).open("a") as file:
                file.write("# new\n")
        self.origin.commit()

    def run(self, **settings: str) -> tuple[int, list[str]]:
        """Return how a run ends, and what it asked for."""
        (self.folder / "done").write_text("")
        environment = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"} | settings
        words = [str(self.folder / "clone/ops/aws/update.sh")]
        code = subprocess.run(words, env=environment, capture_output=True, check=False).returncode
        return code, (self.folder / "done").read_text().splitlines()


FAKE = """#!/bin/sh
echo {name} "$@" >>{folder}/done
[ "$FAILS" != {name} ]
"""
PINNED = "- path: models/model.onnx\n  hash: md5\n  md5: 319c6c40\n"


@pytest.fixture
def updated(tmp_path: Path) -> Updated:
    """Return a clone of which the first run has served all."""
    for name in "systemctl", "make", "install", "sleep":
        (tmp_path / name).write_text(FAKE.format(name=name, folder=tmp_path))
    python = tmp_path / "clone/.venv-serve/bin/python"
    origin = Repository(tmp_path / "origin")
    shutil.copytree(ROOT / "ops/aws", origin.path / "ops/aws")
    (origin.path / "dvc.lock").write_text(PINNED)
    origin.run("git", "init", "-q", "-b", "main")
    origin.commit()
    origin.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    python.parent.mkdir(parents=True)
    python.write_text("""#!/bin/sh\necho "{\\"model\\":\\"${SERVES:-319c6c40}\\"}"\n""")
    for path in *tmp_path.glob("[a-z]*"), python:
        path.chmod(0o755)
    found = Updated(tmp_path, origin)
    assert found.run()[1][-2:] == STARTED
    assert found.run() == (0, [])
    return found


STARTED, RELOADED = (
    ["make -s .venv-serve/ready", "systemctl restart fraud-api"],
    ["systemctl reload-or-restart fraud-api"],
)
UNITS = ["systemctl daemon-reload"]


@pytest.mark.parametrize(
    ("changed", "does"),
    [
        ("dvc.lock", RELOADED),
        ("serve/app.py", STARTED),
        ("ops/aws/fraud-api.service", [*UNITS, *STARTED]),
        ("ops/aws/Caddyfile", [*UNITS, "systemctl restart caddy", *STARTED]),
    ],
)
def test_a_new_commit_on_main_reloads_the_model_and_new_code_starts_anew(
    updated: Updated, changed: str, does: list[str]
) -> None:
    updated.change(changed)
    code, asked = updated.run()
    assert (code, [line for line in asked if not line.startswith("install")]) == (0, does)
    assert any(line.startswith("install") for line in asked) == changed.startswith("ops/aws")
    assert updated.run() == (0, [])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ("serve/app.py", {"FAILS": "make"}),
        ("serve/app.py", {"FAILS": "systemctl"}),
        ("dvc.lock", {"FAILS": "systemctl"}),
        ("dvc.lock", {"SERVES": "9f3d"}),
    ],
)
def test_what_could_not_be_served_is_tried_again_until_it_is(
    updated: Updated, changed: str, fault: dict[str, str]
) -> None:
    updated.change(changed)
    for _ in range(2):
        code, asked = updated.run(**fault)
        assert code == 1
        assert asked
    updated.change("README.md")  # A later commit does not hide it.
    assert updated.run() == (0, STARTED if changed.startswith("serve") else RELOADED)
