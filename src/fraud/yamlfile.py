"""Read YAML 1.2, in which `no` and `on` are words and not booleans."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from fraud.errors import Problem


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in the file at `path`; anything else is a problem that names the place."""
    try:
        content = YAML(typ="safe", pure=True).load(Path(path).read_bytes())
    except FileNotFoundError:
        raise Problem(f"{path}: there is no such file") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Problem(f"{path}, line {line}: {error.problem}; mend the YAML there") from None
    except YAMLError as error:
        raise Problem(f"{path}: not readable as YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise Problem(f"{path}: found {type(content).__name__}, expected a mapping of names to values")
    return content
