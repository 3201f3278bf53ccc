"""ops/aws/template.yaml, deployed to moto's server, and what moto ignores read from the template itself."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # It comes with dvc-s3.

import github
from examples import ROOT
from fraud.errors import Problem
from fraud.loop import remote
from fraud.operations import aws_down, aws_stack, aws_up
from fraud.operations.aws_stack import first_failure
from fraud.yamlfile import read_yaml
from loopback import serving
from needed import needed
from repositories import BIN
from s3 import CONFIG, Copy, empty
from stack.amazon import ACCOUNT, Amazon, admits, amazon, inside, listed, resolved, template

ISSUER = "token.actions.githubusercontent.com"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"
NAMES = {"Repository": "bank/fraud", "Numbered": "bank@12/fraud@34"}
ON_BUCKET = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}
ON_OBJECTS = {
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
}


@pytest.fixture(scope="module")
def aws() -> Iterator[Amazon]:
    with amazon() as server:
        yield server


@pytest.fixture
def here(aws: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working copy that may ask AWS."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(CONFIG)
    shutil.copytree(ROOT / "ops/aws", tmp_path / "ops/aws")
    inside(tmp_path, monkeypatch, aws)
    monkeypatch.setattr(aws_stack, "PAUSE", 0.02)
    return tmp_path


def policy(**given: str) -> list[dict[str, Any]]:
    """Return what the role may do, with some parameters."""
    (one,) = resolved("template.yaml", **NAMES, **given)["Role"]["Properties"]["Policies"]
    return one["PolicyDocument"]["Statement"]


def test_cfn_lint_finds_nothing() -> None:
    files = [str(path) for path in sorted((ROOT / "ops/aws").glob("*.yaml"))]
    program = needed(shutil.which("cfn-lint", path=f"{BIN}:{os.environ['PATH']}"), "cfn-lint")
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(files) == 2


def test_the_bucket_is_private_encrypted_versioned_and_outlives_its_stack() -> None:
    made = resolved("template.yaml", **NAMES)
    for name in "Bucket", "BucketPolicy":
        assert made[name]["DeletionPolicy"] == made[name]["UpdateReplacePolicy"] == "Retain"
    bucket = made["Bucket"]["Properties"]
    names = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(names, True)
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "AccessControl" not in bucket
    assert encryption() == {"SSEAlgorithm": "AES256"}
    assert encryption(KmsKey=KEY) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}


def encryption(**given: str) -> dict[str, Any]:
    bucket = resolved("template.yaml", **NAMES, **given)["Bucket"]["Properties"]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return rule["ServerSideEncryptionByDefault"]


def test_old_versions_and_uploads_that_stopped_go_and_nothing_else_does() -> None:
    bucket = resolved("template.yaml", **NAMES, OldVersionDays="30")["Bucket"]["Properties"]
    old, aborted = bucket["LifecycleConfiguration"]["Rules"]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": "30"}
    assert aborted["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    for rule in old, aborted:
        assert rule["Status"] == "Enabled"
        assert not rule.keys() & {"ExpirationInDays", "ExpirationDate", "Transitions", "Prefix"}


def test_nobody_reaches_the_bucket_without_tls_and_its_policy_allows_nothing() -> None:
    (only,) = resolved("template.yaml", **NAMES)["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (only["Effect"], only["Principal"], only["Action"]) == ("Deny", "*", "s3:*")
    assert only["Resource"] == ["Bucket.Arn", "Bucket.Arn/*"]
    assert only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_role_may_do_what_is_needed_in_this_bucket_and_no_more() -> None:
    found = allowed()
    parts = [f"Bucket.Arn/{part}" for part in ("dvc/*", "weekly_data/*", "weekly_data")]
    assert found == {"Bucket.Arn": ON_BUCKET} | dict.fromkeys(parts, ON_OBJECTS)
    with_key = allowed(KmsKey=KEY)
    assert with_key == found | {KEY: {"kms:Decrypt", "kms:GenerateDataKey"}}
    assert {statement["Effect"] for statement in policy(KmsKey=KEY)} == {"Allow"}
    role = resolved("template.yaml", **NAMES)["Role"]["Properties"]
    assert not role.keys() & {"ManagedPolicyArns", "PermissionsBoundary"}


def allowed(**given: str) -> dict[str, set[str]]:
    """Return what the role may do with which resource."""
    pairs = [
        (one, set(listed(statement["Action"])))
        for statement in policy(**given)
        for one in listed(statement["Resource"])
    ]
    return dict(pairs)


def token(sub: str, **claims: str) -> dict[str, str]:
    return {"aud": "sts.amazonaws.com", "sub": sub} | claims


GOOD = ["repo:bank/fraud:ref:refs/heads/main", "repo:bank@12/fraud@34:ref:refs/heads/main"]
BAD = {
    "another branch": token("repo:bank/fraud:ref:refs/heads/retrain/2026-W08"),
    "a branch that begins alike": token("repo:bank/fraud:ref:refs/heads/main2"),
    "a fork": token("repo:eve/fraud:ref:refs/heads/main"),
    "a pull request": token("repo:bank/fraud:pull_request"),
    "a tag": token("repo:bank/fraud:ref:refs/tags/main"),
    "another repository": token("repo:bank/fraud-2:ref:refs/heads/main"),
    "an environment": token("repo:bank/fraud:environment:production"),
    "a reused name": token("repo:bank@13/fraud@35:ref:refs/heads/main"),
    "a pull request with numbers": token("repo:bank@12/fraud@34:pull_request"),
    "other letters": token("repo:Bank/fraud:ref:refs/heads/main"),
    "another audience": token(GOOD[0], aud="https://github.com/bank"),
    "no subject": {"aud": "sts.amazonaws.com"},
}


def trust(**given: str) -> dict[str, Any]:
    (only,) = resolved("template.yaml", **given)["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert (only["Effect"], only["Action"]) == ("Allow", "sts:AssumeRoleWithWebIdentity")
    return only


@pytest.mark.parametrize("sub", GOOD)
def test_main_gets_in_by_its_name_and_by_its_numbers(sub: str) -> None:
    assert admits(trust(**NAMES), token(sub), ISSUER)


@pytest.mark.parametrize("who", BAD)
def test_nobody_else_gets_in(who: str) -> None:
    for given in NAMES, {"Repository": "bank/fraud"}:
        assert not admits(trust(**given), BAD[who], ISSUER)


def test_the_role_trusts_the_accounts_own_provider_where_there_is_one() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
    made, found = resolved("template.yaml", **NAMES), resolved("template.yaml", **NAMES, Provider=arn)
    assert made["GitHub"]["Properties"] == {"Url": f"https://{ISSUER}", "ClientIdList": ["sts.amazonaws.com"]}
    assert trust(**NAMES)["Principal"] == {"Federated": "GitHub"}
    assert "GitHub" not in found
    assert trust(**NAMES, Provider=arn)["Principal"] == {"Federated": arn}


def test_no_job_that_takes_the_role_has_another_subject_than_the_branch() -> None:
    takers = []
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        workflow = read_yaml(path)
        for name, job in workflow["jobs"].items():
            if "id-token" in job.get("permissions", {}):
                takers.append(f"{path.stem}/{name}")
                assert "environment" not in job, f"{path.name}, job {name}: its token names the environment"
                assert not workflow["on"].keys() & {"pull_request", "pull_request_target"}
            else:
                assert "configure-aws-credentials" not in json.dumps(job)
    assert {"retrain/propose", "deploy/image", "rollback/rollback"} <= set(takers)


def test_up_remote_and_down_in_turn(
    aws: Amazon, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws_up.main("STACK=turn", "REPOSITORY=bank@12/fraud@34")
    said = capsys.readouterr().out
    made = dict(line.split(": ", 1) for line in said.splitlines()[:5])
    assert f"AWS_ROLE={made['Role']} AWS_REGION=eu-west-1" in said
    assert f"the role trusts: {GOOD[0]} and {GOOD[1]}" in said
    aws_up.main("STACK=turn", "REPOSITORY=bank@12/fraud@34")
    assert capsys.readouterr().out == said
    remote.main("STACK=turn", "S3=")
    assert f"url = s3://{made['Bucket']}/dvc\n    region = eu-west-1\n" in (here / ".dvc/config").read_text()
    fill(aws, made["Bucket"])
    monkeypatch.setattr(aws_down, "LONGEST", 3)
    aws_down.main("STACK=turn", "YES=1")
    said = capsys.readouterr().out
    assert "  dvc: 9 files, 0.0 MB\n  weekly_data: 2 files, 0.0 MB\n" in said
    assert "older versions and marks of deletion: 3\n" in said
    assert made["Bucket"] not in [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    with pytest.raises(Problem, match=r"^stack 'turn' in eu-west-1: there is none; mend STACK and REGION"):
        aws_down.main("STACK=turn", "YES=1")


def fill(aws: Amazon, bucket: str) -> None:
    """Put more into a bucket than one page lists, with an older version and a mark of deletion."""
    store = aws.client("s3")
    store.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})  # moto leaves it out.
    for key in [*(f"dvc/{number}" for number in range(8)), "weekly_data/w1.csv", "weekly_data/w1.csv", "dvc/gone"]:
        store.put_object(Bucket=bucket, Key=key, Body=b"12345")
    store.delete_object(Bucket=bucket, Key="dvc/gone")


@pytest.mark.usefixtures("here")
def test_nothing_is_deleted_before_the_buckets_name_is_typed(aws: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    aws_up.main("STACK=kept", "REPOSITORY=bank@12/fraud@34")
    remote.main("STACK=kept")
    bucket = remote.settings_of("storage")["url"].split("/")[2]
    for typed, why in {"kept\n": f"found 'kept', expected '{bucket}'", "": "nobody answered, so nothing"}.items():
        monkeypatch.setattr("sys.stdin", StringIO(typed))
        with pytest.raises(Problem, match=why):
            aws_down.main("STACK=kept")
        aws.client("s3").head_bucket(Bucket=bucket)
    monkeypatch.setattr("sys.stdin", StringIO(f"{bucket}\n"))
    aws_down.main("STACK=kept")
    with pytest.raises(ClientError):
        aws.client("s3").head_bucket(Bucket=bucket)


@pytest.mark.usefixtures("here")
def test_down_goes_on_where_it_was_stopped(aws: Amazon) -> None:
    aws_up.main("STACK=stopped", "REPOSITORY=bank@12/fraud@34")
    remote.main("STACK=stopped")
    aws.client("s3").delete_bucket(Bucket=remote.settings_of("storage")["url"].split("/")[2])
    aws_down.main("STACK=stopped", "YES=1")
    with pytest.raises(Problem, match="there is none; make it with `make aws-up STACK=stopped`"):
        remote.main("STACK=stopped")


@pytest.mark.usefixtures("here")
def test_the_provider_that_an_account_has_is_found_and_one_that_the_stack_made_stays_its_own(aws: Amazon) -> None:
    aws_up.main("STACK=first", "REPOSITORY=bank@12/fraud@34")
    arn = aws.client("iam").create_open_id_connect_provider(Url=f"https://{ISSUER}")["OpenIDConnectProviderArn"]
    for stack in "first", "second":
        aws_up.main(f"STACK={stack}", "REPOSITORY=bank@12/fraud@34")
    found = {stack: parameters(aws, stack)["Provider"] for stack in ("first", "second")}
    assert found == {"first": "", "second": arn}


def parameters(aws: Amazon, stack: str) -> dict[str, str]:
    (found,) = aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


@pytest.mark.usefixtures("here")
def test_a_stack_of_something_else_is_left_alone(aws: Amazon) -> None:
    other = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}}}}
    aws.client("cloudformation").create_stack(StackName="other", TemplateBody=json.dumps(other))
    for verb, more in (aws_up, "REPOSITORY=bank@12/fraud@34"), (aws_down, "YES=1"):
        with pytest.raises(
            Problem, match=r"'other': was not made from ops/aws/template.yaml; name another with STACK="
        ):
            verb.main("STACK=other", more)
    with pytest.raises(Problem, match="found no outputs Remote and Region"):
        remote.main("STACK=other")


@pytest.fixture(scope="module")
def lent(aws: Amazon) -> dict[str, Any]:
    """Make a bucket, and return the keys of a role with the template's policy for it, which moto keeps unreadably."""
    store, iam = aws.client("s3"), aws.client("iam")
    for name in "ours", "theirs":
        store.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for key in "dvc/there", "weekly_data/2026-W08.csv", "log/a-backup.dump":
            store.put_object(Bucket=name, Key=key, Body=b"there")
    made = iam.create_role(RoleName="ours", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    text = json.dumps({"Version": "2012-10-17", "Statement": policy()}).replace("Bucket.Arn", "arn:aws:s3:::ours")
    iam.put_role_policy(RoleName="ours", PolicyName="bucket", PolicyDocument=text)
    words = {"RoleArn": made, "RoleSessionName": "test", "WebIdentityToken": "moto-looks-at-none"}
    return aws.client("sts").assume_role_with_web_identity(**words)["Credentials"]


@pytest.fixture
def role(aws: Amazon, lent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return these keys while policies decide."""
    with aws.guarded():
        yield lent


class OfRole(Copy):
    """A working copy whose programs have the role's keys."""

    keys: dict[str, Any]
    aws: Amazon

    def settings(self) -> dict[str, str]:
        return super().settings() | {
            "AWS_ACCESS_KEY_ID": self.keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.keys["SessionToken"],
            "AWS_ENDPOINT_URL": self.aws.endpoint,
        }


def test_the_role_suffices_to_push_pull_and_import_weeks(aws: Amazon, role: dict[str, Any], tmp_path: Path) -> None:
    OfRole.keys, OfRole.aws = role, aws
    copy = empty(tmp_path / "copy")
    copy.__class__ = OfRole
    copy.loop("remote", "S3=s3://ours/dvc")
    copy.pin({"week/1.csv": "one", "model.onnx": "a model"})
    copy.loop("transfer", "push")
    clone = copy.clone(tmp_path / "clone")
    clone.__class__ = OfRole
    clone.loop("transfer", "pull")
    assert clone.files("week", "model.onnx") == copy.files("week", "model.onnx")
    copy.run("dvc", "import-url", "s3://ours/weekly_data/", "weeks")
    assert (copy.path / "weeks/2026-W08.csv").read_text() == "there"


def test_the_role_can_reach_neither_another_bucket_nor_backups_in_its_own_nor_change_that(
    aws: Amazon, role: dict[str, Any]
) -> None:
    store = aws.client("s3", role)
    assert store.get_object(Bucket="ours", Key="dvc/there")["Body"].read() == b"there"
    forbidden: list[Callable[[], object]] = [
        lambda: store.get_object(Bucket="theirs", Key="dvc/there"),
        lambda: store.get_object(Bucket="ours", Key="log/a-backup.dump"),
        lambda: store.delete_object(Bucket="ours", Key="log/a-backup.dump"),
        lambda: store.list_objects_v2(Bucket="theirs"),
        lambda: store.put_object(Bucket="theirs", Key="new", Body=b""),
        lambda: store.delete_bucket(Bucket="ours"),
        lambda: store.delete_bucket_policy(Bucket="ours"),
        lambda: store.put_bucket_versioning(Bucket="ours", VersioningConfiguration={"Status": "Suspended"}),
        store.list_buckets,
        lambda: aws.client("iam", role).list_roles(),
    ]
    for forbid in forbidden:
        with pytest.raises(ClientError, match=r"AccessDenied|Forbidden"):
            forbid()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[github.GitHub]:
    with serving(github.GitHub(tmp_path_factory.mktemp("github"), certificate)) as server:
        server.repository |= {"full_name": "Bank/fraud", "id": 34, "owner": {"id": 12}}
        yield server


@pytest.mark.usefixtures("here")
def test_github_says_how_its_tokens_name_the_repository(
    hub: github.GitHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in hub.environment.items():
        monkeypatch.setenv(name, value)
    assert aws_up.names("") == ("Bank/fraud", "Bank@12/fraud@34")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "")
    aws_up.main("STACK=unasked")
    assert (
        capsys.readouterr().out.count("a repository made or renamed since 15 July 2026 has numbers there; sign gh") == 1
    )
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", github.TOKEN)
    hub.repository["full_name"] = github.NAME
    aws_up.main("STACK=unasked")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "")
    aws_up.main("STACK=unasked")
    assert capsys.readouterr().out.count(f"the role trusts: {GOOD[0]} and {GOOD[1]}\n") == 2


@pytest.mark.parametrize("text", ["fraud", "bank/fraud/x", "bank@12/fraud", "https://github.com/bank/fraud", "bank/*"])
def test_a_name_that_is_none_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(
        Problem, match=f"^REPOSITORY={re.escape(text)}: expected owner/name, or owner@number/name@number"
    ):
        aws_up.names(text)


EVENTS = [  # Newest first, in the shape of DescribeStackEvents.
    (
        "turn",
        "AWS::CloudFormation::Stack",
        "ROLLBACK_IN_PROGRESS",
        "The following resource(s) failed to create: [Role].",
    ),
    ("GitHub", "AWS::IAM::OIDCProvider", "CREATE_FAILED", "Resource creation cancelled"),
    ("Role", "AWS::IAM::Role", "CREATE_FAILED", "API: iam:CreateRole User: ann is not\n authorized."),
    ("Bucket", "AWS::S3::Bucket", "CREATE_COMPLETE", ""),
    ("turn", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "User Initiated"),
    ("Bucket", "AWS::S3::Bucket", "UPDATE_FAILED", "of an earlier time"),
]
KEYS = ("LogicalResourceId", "ResourceType", "ResourceStatus", "ResourceStatusReason")


def test_what_failed_first_is_told_in_one_line() -> None:
    events = [dict(zip(KEYS, one, strict=True)) for one in EVENTS]
    assert first_failure(events) == "Role (AWS::IAM::Role): API: iam:CreateRole User: ann is not authorized"
    assert first_failure(events[3:]) == "AWS gives no reason"


@pytest.mark.parametrize(
    ("verb", "known", "why"),
    [
        (
            "operations.aws_up",
            {"AWS_REGION": "eu-west-1"},
            "stack 'fraud' in eu-west-1: found no credentials; set AWS_",
        ),
        ("operations.aws_down", {"AWS_REGION": "eu-west-1"}, "stack 'fraud' in eu-west-1: found no credentials; set"),
        ("operations.aws_up", {}, "AWS: found no region; say where, like REGION=eu-west-1"),
        ("loop.remote", {"AWS_REGION": "eu-west-1"}, "stack 'fraud' in eu-west-1: found no credentials; set AWS_"),
    ],
)
def test_without_credentials_or_region_one_line_says_so(verb: str, known: dict[str, str], why: str) -> None:
    nothing = {"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_EC2_METADATA_DISABLED": "true"}
    words = [sys.executable, "-m", f"fraud.{verb}", "STACK=fraud"]
    environment = {"PYTHONPATH": "src", **nothing, **known}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(why)
    assert done.stderr.count("\n") == 1


def test_the_tokens_come_from_the_parameter_store_into_a_file_of_roots_own(aws: Amazon, tmp_path: Path) -> None:
    store = aws.client("ssm")
    store.put_parameter(Name="/fraud/API_TOKEN", Value='one,"two"', Type="SecureString")
    done = tokens(aws.environment, tmp_path / "tokens")
    assert done.returncode == 1
    assert done.stderr.startswith("SSM Parameter Store: found no /fraud/ADMIN_TOKEN; ")
    assert not (tmp_path / "tokens").exists()
    store.put_parameter(Name="/fraud/ADMIN_TOKEN", Value="three", Type="SecureString")
    assert tokens(aws.environment, tmp_path / "tokens").returncode == 0
    assert (tmp_path / "tokens").read_text() == 'ADMIN_TOKEN="three"\nAPI_TOKEN="one,\\"two\\""\n'
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600


def tokens(environment: dict[str, str], target: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "ops/aws/parameters.py"), str(target)]
    known = environment | {"PARAMETERS": "/fraud", "AWS_DEFAULT_REGION": "eu-west-1"}
    return subprocess.run(words, env=known, capture_output=True, text=True, check=False)


DOCS = ["docs/aws.md", "ops/aws/README.md"]


def test_the_policies_that_the_guide_shows_are_those_of_the_template() -> None:
    trusted, allowed = map(json.loads, re.findall(r"```json\n(.*?)```", (ROOT / DOCS[0]).read_text(), re.DOTALL))
    named = {"Repository": "owner/name", "Numbered": "owner@12/name@34"}
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
    assert trusted["Statement"] == [trust(**named, Provider=arn)]
    shown = json.loads(json.dumps(allowed).replace("arn:aws:s3:::bucket", "Bucket.Arn"))
    assert shown["Statement"] == policy()


@pytest.mark.parametrize("name", DOCS)
def test_targets_and_files_that_the_guide_names_are_there(name: str) -> None:
    text = (ROOT / name).read_text()
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)(?=[ `\n])", "".join(re.findall(r"`[^`]+`", text)))) <= targets
    folders = [ROOT, (ROOT / name).parent, ROOT / ".github/workflows"]
    files = re.findall(r"`([\w./-]+\.(?:yaml|yml|md|py|sh|service|timer))`|\]\(([\w./-]+)\)", text)
    assert files
    for file in ("".join(pair) for pair in files):
        assert any((folder / file).exists() for folder in folders), file
    overrides = "".join(re.findall(r"--parameter-overrides (.*)", text))
    assert set(re.findall(r"(\w+)=", overrides)) <= set(template("server.yaml")["Parameters"])
