"""A certificate and a key that nothing can be served with are refused at start, by setting, file and remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import certificate, openssl
from fraud.errors import Problem
from serve.settings import load

EC = "ec -pkeyopt ec_paramgen_curve:P-256"


def refused(names: dict[str, str], **changes: Path) -> str:
    """Return what is said of a pair, with other files in its place."""
    with pytest.raises(Problem) as caught:
        load(names | {name: str(path) for name, path in changes.items()})
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["rsa:2048", EC])
def test_a_pair_is_taken_also_with_its_chain_or_in_one_file(tmp_path: Path, kind: str) -> None:
    names, other = certificate(tmp_path, "one", kind), certificate(tmp_path, "other")
    together = tmp_path / "together"
    together.write_text("".join(Path(path).read_text() for path in (*names.values(), other["TLS_CERT"])))
    assert load(names).tls_cert == Path(names["TLS_CERT"])
    assert load({"TLS_CERT": str(together), "TLS_KEY": str(together)}).tls_key == together


def der(path: Path, source: dict[str, str]) -> None:
    openssl("x509", "-in", source["TLS_CERT"], "-outform", "der", "-out", path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path, _: path.write_text(""),
        lambda path, _: path.write_bytes(bytes(5000)),
        lambda path, names: path.write_text(Path(names["TLS_CERT"]).read_text()[:200]),
        lambda path, names: path.write_text(Path(names["TLS_KEY"]).read_text()),
        der,
    ],
    ids=["empty", "zeros", "torn", "a key", "DER"],
)
def test_what_is_no_certificate_is_named(tmp_path: Path, spoil: Callable[[Path, dict[str, str]], object]) -> None:
    names, path = certificate(tmp_path), tmp_path / "spoilt"
    spoil(path, names)
    said = refused(names, TLS_CERT=path)
    assert said.startswith(f"TLS_CERT: {path}: found no certificate in PEM; name a file in PEM; `openssl x509 -inform")


@pytest.mark.parametrize("length", [0, 100])
def test_what_is_no_key_is_named(tmp_path: Path, length: int) -> None:
    names, path = certificate(tmp_path), tmp_path / "spoilt"
    path.write_text(Path(names["TLS_KEY"]).read_text()[:length])
    for other in path, Path(names["TLS_CERT"]):
        said = refused(names, TLS_KEY=other)
        assert said.startswith(f"TLS_KEY: {other}: found no private key in PEM; name a file in PEM; `openssl pkey")


@pytest.mark.parametrize("kind", ["rsa:2048", EC])
def test_a_key_of_another_certificate_is_named_with_both_files(tmp_path: Path, kind: str) -> None:
    names, other = certificate(tmp_path, "one"), Path(certificate(tmp_path, "other", kind)["TLS_KEY"])
    expected = f"TLS_KEY: {other}: is not the key of the certificate in {names['TLS_CERT']} (TLS_CERT); name two of"
    assert refused(names, TLS_KEY=other).startswith(expected)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    names, path = certificate(tmp_path), tmp_path / "locked"
    openssl("pkey", "-in", names["TLS_KEY"], "-aes256", "-passout", "pass:hush", "-out", path)
    assert refused(names, TLS_KEY=path).startswith(f"TLS_KEY: {path}: found a key with a passphrase; `openssl pkey")


def test_a_certificate_too_weak_for_tls_is_refused_in_the_words_of_openssl(tmp_path: Path) -> None:
    names = certificate(tmp_path, kind="rsa:512")
    said = refused(names)
    assert said == f"TLS_CERT: {names['TLS_CERT']}: OpenSSL refuses it, ee key too small; make another one"


@pytest.mark.parametrize("name", ["TLS_CERT", "TLS_KEY"])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    names = certificate(tmp_path)
    for path, reason in (tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory"):
        said = refused(names, **{name: path})
        assert said == f"{name}: found '{path}', expected a file that can be read ({reason})"
