"""Read INI files that hold secrets: DVC's settings and AWS's credentials."""

from configparser import Error, RawConfigParser
from pathlib import Path

from fraud.errors import Problem, os_sentence


def read_ini(path: Path) -> dict[str, dict[str, str]]:
    """Return the sections of the file at `path`, none where there is no file; a problem never repeats a line."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"), default_section="")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        parser.read_string("\n".join(line.strip() for line in lines))  # Indented, a line would continue the last one.
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Problem(os_sentence(error)) from None
    except (Error, UnicodeDecodeError):
        raise Problem(f"{path}: not readable as sections of `key = value`; mend it there") from None
    return {name: dict(parser[name]) for name in parser.sections()}
