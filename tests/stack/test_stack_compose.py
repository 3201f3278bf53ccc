"""ops/compose.yaml: it agrees with the repository, with .env.example, with itself, and with Compose where that is."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from examples import ROOT
from needed import needed
from serve.settings import SETTINGS
from stack.composed import FILE, SECRETS, filled, services

EXAMPLE = (ROOT / ".env.example").read_text()
NAMES = re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE)
IN_COMPOSE = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
COMPOSES_OWN = {"COMPOSE_PROFILES"}
# Settings of the server that the image or the stack decides; files of a certificate belong to the proxy in front.
DECIDED = {
    "HOST",
    "PORT",
    "REQUEST_LOG",
    "LATEST_DB",
    "SPOOL",
    "MODEL_PATH",
    "GIT_REV",
    "METRICS_OPEN",
    "TLS_CERT",
    "TLS_KEY",
}
PORTS = {
    "api": [5000, 8000],
    "postgres": [5432, 5432],
    "mlflow": [5001, 5001],
    "prometheus": [9090, 9090],
    "pushgateway": [9091, 9091],
    "alertmanager": [9093, 9093],
    "grafana": [3000, 3000],
    "s3": [8333, 8333],
    "watch": [],
}
every_service = pytest.mark.parametrize("name", services())


def test_it_is_what_the_specification_of_compose_allows() -> None:
    words = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_port_is_on_loopback_and_is_the_one_that_readme_names() -> None:
    found = {name: [part for one in filled(name).get("ports", []) for part in one.split(":")] for name in services()}
    assert found == {name: ["127.0.0.1", *map(str, pair)] if pair else [] for name, pair in PORTS.items()}
    readme = (ROOT / "README.md").read_text()
    assert all(f"127.0.0.1:{pair[0]}" in readme for pair in PORTS.values() if pair)


@every_service
def test_every_service_is_checked_limited_and_allowed_as_little_as_it_needs(name: str) -> None:
    service = services()[name]
    assert service["healthcheck"]["test"][0] == "CMD"  # No shell between them.
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert ("cap_add" in service) == (name == "s3")
    assert not {"privileged", "network_mode", "env_file", "pid"} & set(service)


@every_service
def test_every_image_is_pinned_by_version_and_digest_or_built_here(name: str) -> None:
    service = services()[name]
    if "build" in service:
        assert service["image"] == f"fraud-{name}:latest"
        context = FILE.parent / service["build"]["context"]
        assert (context / service["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"docker\.io/[a-z]+/[a-z]+:v?\d[\w.-]*\.\d[\w.-]*@sha256:[0-9a-f]{64}", service["image"])


def test_what_is_built_here_stands_on_one_base() -> None:
    texts = [path.read_text() for path in (ROOT / "ops").glob("*Dockerfile")]
    bases = [base for text in texts for base in re.findall(r"^FROM (\S+@sha256:\w+) AS python$", text, re.MULTILINE)]
    assert len(bases) == len(texts) == 3
    assert len(set(bases)) == 1


@pytest.mark.parametrize("file", ["mlflow.Dockerfile", "watch.Dockerfile"])
def test_hadolint_finds_nothing(file: str) -> None:
    done = subprocess.run(["hadolint", ROOT / "ops" / file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@every_service
def test_every_mount_is_a_volume_or_a_file_of_this_repository_that_cannot_be_written(name: str) -> None:
    declared = re.findall(r"^  (\w+):$", FILE.read_text().partition("\nvolumes:\n")[2], re.MULTILINE)
    for mount in services()[name].get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert rest.endswith(":ro")
            assert (
                subprocess.run(["git", "ls-files", "--error-unmatch", source], cwd=FILE.parent, check=False).returncode
                == 0
            )
        else:
            assert source == name
            assert source in declared


def test_every_variable_is_in_env_example_and_nothing_else_is() -> None:
    servers = {one.variable for one in SETTINGS}
    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) - servers == (IN_COMPOSE - servers) | COMPOSES_OWN


def test_a_default_is_the_same_in_env_example_and_here() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", FILE.read_text()))
    assert defaults
    assert {name: value for name, value in defaults.items() if f"\n#{name}={value}\n" not in EXAMPLE} == {}


def test_every_setting_of_the_server_is_handed_on_or_decided_here() -> None:
    handed = set(services()["api"]["environment"])
    assert {one.variable for one in SETTINGS} <= handed | DECIDED
    for name in handed - DECIDED - set(SECRETS) - {"PGPASSWORD"}:
        assert services()["api"]["environment"][name] == f"${{{name}:-}}"


def test_secrets_of_one_service_are_not_given_to_another() -> None:
    given = {name: set(re.findall(r"\$\{(\w+)", json.dumps(services()[name]))) & set(SECRETS) for name in services()}
    assert given == {
        "api": {"API_TOKEN", "ADMIN_TOKEN", "METRICS_TOKEN", "FRAUD_DB_PASSWORD"},
        "postgres": {"POSTGRES_PASSWORD", "FRAUD_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "READER_DB_PASSWORD"},
        "mlflow": {"MLFLOW_DB_PASSWORD", "S3_SECRET_KEY"},
        "prometheus": {"METRICS_TOKEN"},
        "pushgateway": set(),
        "alertmanager": set(),
        "grafana": {"GRAFANA_ADMIN_PASSWORD"},
        "s3": {"S3_SECRET_KEY"},
        "watch": {"READER_DB_PASSWORD", "S3_SECRET_KEY"},
    }


def test_what_waits_for_another_waits_until_it_is_healthy_and_only_profiles_may_be_missing() -> None:
    waits = {(name, other): how for name in services() for other, how in services()[name].get("depends_on", {}).items()}
    assert {how["condition"] for how in waits.values()} == {"service_healthy"}
    for (name, other), how in waits.items():
        within = services()[other].get("profiles", services()[name].get("profiles")) == services()[name].get("profiles")
        assert how.get("required", True) == within


def test_prometheus_gets_its_token_in_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    shell, option, script, *rest = filled("prometheus")["entrypoint"]
    here = script.replace("/run/secrets/", f"{tmp_path}/").replace("/bin/prometheus", "echo")
    settings = {"METRICS_TOKEN": "100%s of it", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [shell, option, here, *rest, "--a", "b c"], env=settings, capture_output=True, text=True, check=True
    )
    assert done.stdout == "--a b c\n"
    assert (tmp_path / "metrics_token").read_text() == "100%s of it"
    assert (tmp_path / "metrics_token").stat().st_mode & 0o777 == 0o600


def compose() -> list[str]:
    """Return the command of Compose 2, which needs no engine to read its file."""
    for words in (["docker", "compose"], ["docker-compose"]):
        version = [*words, "version", "--short"]
        done = subprocess.run(version, capture_output=True, text=True, check=False) if shutil.which(words[0]) else None
        if done and done.returncode == 0 and not done.stdout.startswith("1."):
            return words
    return [needed(None, "Docker Compose")]


def config(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Return what Compose makes of its file in a copy of ops/, where there is a link to .env."""
    shutil.copytree(ROOT / "ops", folder / "ops", symlinks=True, dirs_exist_ok=True)
    command = [*compose(), "-f", "ops/compose.yaml", *words, "config", "--format", "json"]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_itself_stops_at_a_missing_secret_with_its_name(missing: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}=given\n" for name in SECRETS if name != missing))
    done = config(tmp_path)
    assert done.returncode != 0
    assert f"{missing} is missing a value: run make stack-env" in done.stderr


def test_compose_reads_dot_env_of_the_repository_and_gives_the_services_what_these_tests_take_them_for(
    tmp_path: Path,
) -> None:
    settings = {name: f"given-{name}" for name in SECRETS} | {"API_PORT": "8000", "RATE_LIMIT": "9/second"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    done = config(tmp_path, "--profile", "s3", "--profile", "watch")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["name"] == "fraud"
    assert set(said["services"]) == set(services())
    for name, service in said["services"].items():
        ours = filled(name, **settings)
        assert service.get("environment", {}) == {key: str(value) for key, value in ours.get("environment", {}).items()}
        for words in "command", "entrypoint":
            assert [word.replace("$$", "$") for word in service.get(words) or []] == ours.get(words, [])
        published = [f"{one['host_ip']}:{one['published']}:{one['target']}" for one in service.get("ports", [])]
        assert published == ours.get("ports", [])
