"""How a command ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from .arguments import CannotRun


def leave_with(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit with its status.

    It is 2 if the command cannot run, which is said; 130 after a Ctrl-C, as the shell says it; 1 if
    whoever reads what it prints has left.
    """
    if sys.stdout is None:  # it was closed
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for good
    try:
        status = main()
        sys.stdout.flush()
    except CannotRun as error:
        print(error, file=sys.stderr)  # noqa: T201
        status = 2
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # what is not written yet goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
