"""Bodies and headers that no honest caller sends: the same for the same seed."""

import json
import random
from collections.abc import Callable
from typing import Any

Body = bytes | str
ODD_TEXTS = [
    *[
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "1e-999",
        "1" * 5000,
        "-" + "9" * 400,
        "0x10",
        "01",
        "1.",
        ".5",
    ],
    *["1e15", "1e16", "9007199254740993", "-0", "-0.0", "+1", "1_000", "1e", "--1", "\u00b2", "1e99999999999999"],
    *["true", "false", "null", "None", "undefined", "'1'", '"1.5"', '""', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"'],
    *['"\\x"', '"\n"', '"\x7f"', '"\u2028"', '"' + "x" * 5000 + '"', '"\U0001f600"', '"\ufeff"', '"grocery"'],
    *["[]", "{}", "[[]]", '{"a": 1}', '[{"a": [null]}]', '{"$ne": 1}', '{"V1": 1, "V1": 2}', "[1, 2, 3]"],
    *["[" * depth + "]" * depth for depth in (3, 100, 950, 985, 5000)],
    *['{"a":' * depth + "1" + "}" * depth for depth in (3, 100, 970, 5000)],
]
ODD_NAMES = [
    "",
    "data",
    "transaction_id",
    "id",
    "V1",
    "v1",
    "Time",
    "__proto__",
    "\u0000",
    "\ud800",
    "Amount ",
    "a" * 3000,
]
ODD_BODIES: list[Body] = [
    *["", " ", "null", "true", "0", '"text"', "[]", "{}", "[[]]", '{"data": null}', '{"data": {}}', '{"data": [[]]}'],
    *['{"data": [null]}', '{"data": [[], {}]}', '{"data": "x"}', '{"data": [], "data": []}', '{"data": [], "x": 1}'],
    *['{"instances": {}}', '{"inputs": []}', '{"inputs": {"V1": 1}}', '{"inputs": {"V1": []}}', '{"inputs": "x"}'],
    *['{"dataframe_split": []}', '{"dataframe_split": {"columns": [[]], "data": [[1]]}}', '{"dataframe_records": [1]}'],
    *['{"dataframe_split": {"columns": [1, null, {}], "data": [[1, 2, 3]]}}', '{"instances": [], "inputs": []}'],
    *['{"id": "x", "actual_label": 2}', '{"transaction_id": "", "actual_label": 1}', '{"actual_label": true}'],
    *['{"id": "\\ud800", "actual_label": 1}', '{"id": "\\u0000", "actual_label": 1}', '{"id": [], "actual_label": 1}'],
    *['{"id": "x", "actual_label": NaN}', '{"id": "x", "id": "y", "actual_label": 1}', '{"id": "x"} {}', "{,}", "{]"],
    '{"data": [' + ", ".join(["[1]"] * 100_000) + "]}",
    '{"data": [' + ", ".join(["{}"] * 100_000) + "]}",
    '{"instances": [' + ", ".join(["{}"] * 100_000) + "]}",
    "{" + ", ".join(f'"a{number}": {number}' for number in range(20_000)) + ', "a0": 0}',
    b"\xff\xfe",
    b"\x00",
    b"\xef\xbb\xbf{}",
    b'{"\xff": 1}',
    b'{"V1": "\xed\xa0\x80"}',
]
PATHS = ["/predict"] * 6 + ["/invocations"] * 3 + ["/feedback", "/feedback?actual_label=true", "/predict?explain=3"]
PATHS += [
    "/predict?extra=ignore",
    "/predict?explain=-1",
    "/predict?explain=1e9",
    "/predict?explain=%C2%B2",
    "/predict?extra",
]
PATHS += [
    "/predict?explain=1&explain=x",
    "/predict?extra=ignore&extra=no",
    "/feedback?actual_label=%00",
    "/predict?" + "a" * 3000,
]
PATHS += ["/predict?explain=%ED%A0%80", "/predict?%00=%ff", "/predict?explain=" + "9" * 300]
HEADERS: list[dict[str, str]] = [{}] * 12 + [
    *[
        {"Content-Type": kind}
        for kind in ("application/json; charset=utf-16", "text/plain", "application/json,", "\xff")
    ],
    *[
        {"Content-Type": kind}
        for kind in ("application/x+json", 'application/json; charset="', "multipart/form-data", ";")
    ],
    *[{"Accept": kind} for kind in ("text/html", "*/*;q=nan", ";;,", "application/xml", "\xe9/*", "a" * 5000)],
    *[{"Content-Encoding": kind} for kind in ("gzip", "br", "identity", "gzip, gzip", "\xfc", "")],
    *[{"X-Request-Id": name} for name in ("a\tb", "\xe9", "x" * 5000, '"; drop', "{}", " ", "\xa0", ",")],
    *[
        {"Authorization": word}
        for word in ("", "Bearer", "Basic YTpi", "Bearer \xff", "Bearer a b", "Bearer " + "e" * 9000)
    ],
    *[{"Host": name} for name in ("a..b", "[::1", "\xfc", "x:99999", "x" * 300)],
    *[
        {"Expect": "100-continue"},
        {"Range": "bytes=a-b"},
        {"If-None-Match": '"'},
        {"Cookie": "\xff=;;"},
        {"X-HTTP-Method-Override": "DELETE"},
    ],
]


class Malformed:
    """Makes requests from payments that fit."""

    def __init__(self, payments: list[dict[str, Any]], seed: int) -> None:
        self._payments = payments
        self._random = random.Random(seed)  # noqa: S311  # Nothing secret.
        self._ways: list[Callable[[], Body]] = [
            self._value,
            self._value,
            self._name,
            self._noise,
            self._noise,
            self._odd,
        ]
        self._ways += [self._transaction, self._envelope, self._good]

    def request(self) -> tuple[str, bytes, dict[str, str]]:
        """Return the path, body and headers of the next request."""
        pick = self._random.choice
        body = pick(self._ways)()
        if isinstance(body, str):
            coding = "utf-16" if self._random.random() < 0.02 else "utf-8"
            body = body.encode(coding, "surrogatepass")
        return pick(PATHS), body, pick(HEADERS)

    def _payment(self) -> dict[str, Any]:
        return dict(self._random.choice(self._payments))

    def _wrapped(self, row: str) -> str:
        good = json.dumps(self._payment())
        forms = ["{}"] * 3 + ['{{"data": [{}]}}'] * 2 + ['{{"data": [GOOD, {}]}}', '{{"dataframe_records": [{}]}}']
        forms += [
            '{{"instances": [{}, GOOD]}}',
            '{{"inputs": {}}}',
            "[{}]",
            '{{"data": {}}}',
            "{} {}",
            '{{"data": [{}], "data": [{}]}}',
        ]
        return self._random.choice(forms).replace("{}", row).replace("{{", "{").replace("}}", "}").replace("GOOD", good)

    def _members(self) -> list[tuple[str, str]]:
        return [(json.dumps(name), json.dumps(value)) for name, value in self._payment().items()]

    def _joined(self, members: list[tuple[str, str]]) -> str:
        if self._random.random() < 0.3:
            return f"[{', '.join(value for _, value in members)}]"
        return f"{{{', '.join(f'{name}: {value}' for name, value in members)}}}"

    def _good(self) -> Body:
        return self._wrapped(self._joined(self._members()))

    def _value(self) -> Body:
        members = self._members()
        place = self._random.randrange(len(members))
        members[place] = (members[place][0], self._random.choice(ODD_TEXTS))
        return self._wrapped(self._joined(members))

    def _name(self) -> Body:
        members = self._members()
        name = json.dumps(self._random.choice(ODD_NAMES))
        place = self._random.randrange(len(members))
        how = self._random.randrange(4)
        members[place : place + (how < 2)] = [] if how == 0 else [(name, members[place][1])]
        if how == 3:
            members.append(self._random.choice(members))
        return self._wrapped(self._joined(members))

    def _noise(self) -> Body:
        content = bytearray(self._wrapped(self._joined(self._members())).encode())
        for _ in range(self._random.randint(1, 4)):
            start = self._random.randrange(len(content) or 1)
            end = min(len(content), start + self._random.randint(1, 12))
            part = bytes(content[start:end])
            noise = self._random.randbytes(len(part))
            content[start:end] = self._random.choice(
                [noise, b"", part * 3, part[::-1], b"\x00", b'"', b"\\", b"}", b"]"]
            )
        return bytes(content[: self._random.randrange(len(content) + 1)] if self._random.random() < 0.2 else content)

    def _odd(self) -> Body:
        # The long ones come seldom, as each takes a while.
        odd = [body for body in ODD_BODIES if len(body) < 100_000 or self._random.random() < 0.01]
        return self._random.choice(odd)

    def _transaction(self) -> Body:
        members = self._members()
        members.append(
            (
                '"transaction_id"',
                self._random.choice([*ODD_TEXTS, *['"same"'] * 40, '"\u00e9"', '"' + "i" * 200 + '"']),
            )
        )
        return self._wrapped(self._joined(members))

    def _envelope(self) -> Body:
        columns = self._payment()
        names: list[Any] = list(columns)
        values = list(columns.values())
        names[self._random.randrange(len(names))] = self._random.choice([*ODD_NAMES, None, 1, [], {}, 1e308, *names])
        split = {"columns": names, "data": [values, values[: self._random.randint(0, len(values))]]}
        return json.dumps({"dataframe_split": split})
