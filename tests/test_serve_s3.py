"""The signature of AWS: held against botocore's own, and the addresses that are signed."""

import re
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import Problem
from serve.remote.aws_keys import AwsKeys
from serve.remote.s3 import Place, place, signed

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=30)
KEY = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcxyz0123456789/+=-_", min_size=1, max_size=40)
ENDPOINT = st.sampled_from(
    [
        "",
        "http://localhost:9000",
        "https://S3.Example.com",
        "https://s3.example.com:443",
        "http://[::1]:80",
        "http://h:443",
    ]
)


@given(
    place=st.builds(
        Place,
        st.just("r"),
        st.sampled_from(["bucket", "a.bucket"]),
        TEXT,
        st.sampled_from(["eu-west-1", "x"]),
        ENDPOINT,
    ),
    key=TEXT,
    keys=st.builds(AwsKeys, st.just("a test"), KEY, KEY, st.one_of(st.just(""), KEY)),
)
def test_the_signature_is_the_one_of_botocore(place: Place, key: str, keys: AwsKeys) -> None:
    url = place.url(key)
    request = AWSRequest(method="GET", url=url)
    S3SigV4Auth(Credentials(keys.access, keys.secret, keys.token or None), "s3", place.region).add_auth(request)
    moment = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    headers = signed(url, keys, place.region, moment)
    assert headers["authorization"] == request.headers["Authorization"]
    assert headers.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")


@pytest.mark.parametrize(
    ("bucket", "endpoint", "url"),
    [
        ("bucket", "", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/key"),
        ("my.bucket", "", "https://s3.eu-west-1.amazonaws.com/my.bucket/a%20b/key"),
        ("bucket", "http://localhost:9000/", "http://localhost:9000/bucket/a%20b/key"),
    ],
)
def test_an_object_is_asked_for_where_the_bucket_is(bucket: str, endpoint: str, url: str) -> None:
    settings = {"url": f"s3://{bucket}/a b/", "region": "eu-west-1", "endpointurl": endpoint}
    assert place("storage", settings).url("key") == url


def test_the_region_is_the_configured_one_or_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    url = {"url": "s3://bucket"}
    assert place("r", url).region == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert place("r", url).region == "eu-north-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert place("r", url).region == "eu-west-1"
    assert place("r", url | {"region": "eu-south-1"}).region == "eu-south-1"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "s3://key:hush@bucket/prefix"},
        {"url": "s3://"},
        {"url": "s3://b"},
        {"endpointurl": "http://user:hush@localhost:9000"},
        {"endpointurl": "https://s3.example.com/?token=hush"},
        {"endpointurl": "localhost:9000"},
        {"endpointurl": "file:///etc"},
        {"endpointurl": "http://host:port"},
        {"endpointurl": "http://["},
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_and_not_repeated(settings: dict[str, str]) -> None:
    with pytest.raises(Problem, match=r"^\.dvc/config: .*remote 'storage'.*expected") as problem:
        place("storage", {"url": "s3://bucket", **settings})
    assert "hush" not in str(problem.value)


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(Problem, match=re.escape("found region 'eu west/1', expected one like eu-west-1")):
        place("storage", {"url": "s3://bucket", "region": "eu west/1"})
