"""What the commands of the tests take from a command line."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number of things."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return number
