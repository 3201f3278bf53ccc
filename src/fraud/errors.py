"""Problems that a person can mend, told in one line: where, what was found, what to do."""

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable

OS_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run it again",
    errno.EDQUOT: "the disk quota is used up; free some space and run it again",
    errno.EROFS: "the file system is read-only; make it writable and run it again",
    errno.EACCES: "permission denied; make it readable and writable for you and run it again",
    errno.ENOENT: "there is no such file; run `make repro`, which makes what is missing",
}


class Problem(Exception):
    """A message for the person at the command line; it needs no traceback."""

    code = 1  # With which the process ends.


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a "did you mean" for the known name that looks most like `name`, or nothing."""
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean '{folded[close[0]]}'?)" if close else ""


def os_sentence(error: OSError) -> str:
    """Return what an operating-system error means for the person who met it."""
    where = f"{error.filename}: " if error.filename else ""
    return where + OS_REMEDIES.get(error.errno or 0, str(error.strerror or error))


def run(main: Callable[..., None]) -> None:
    """Call `main` with the command line and end the process; a problem is one line on stderr and its exit code."""
    try:
        main(*sys.argv[1:])
        sys.stdout.flush()
    except Problem as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.code)
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept, so run it again to go on")
    except MemoryError:
        sys.exit("out of memory; use a machine with more, or smaller batches")
    except OSError as error:
        sys.exit(os_sentence(error))
    else:
        os._exit(0)  # The work is done; Arrow's threads now and then abort a process that tears them down at its end.
