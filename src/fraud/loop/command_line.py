"""A command line whose mistakes are problems, in one line like all others."""

import argparse
from typing import NoReturn

from fraud.errors import Problem


class Parser(argparse.ArgumentParser):
    """A parser that raises what is wrong, and says with its epilog what was expected."""

    def __init__(self, prog: str, forms: str) -> None:
        """Take the program's name, and how it is called."""
        super().__init__(prog=prog, epilog=forms, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        raise Problem(f"{message}; {self.epilog}")
