"""The lines of a recorded run are read, and what is none is refused where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.machine import INITIAL, Limits
from specs.trace.judging import module
from specs.trace.lines import FORMAT, Malformed, read_trace

from .test_trace import AHEAD, EXAMPLE, write

RANGE = "must be a number from 0 to 2147483647, not"
HEADER = json.dumps(EXAMPLE[0])
ENTER = '{"action": "Enter", "thread": "consumer"}'
LATER = '"later" must be a list of pairs, a number and one of none, ended, failed, not'
FILES = {
    "": "line 1: there is no header, since the file is empty",
    "hello\n": "line 1: not JSON at column 1: Expecting value",
    HEADER[:-3]: "line 1: not JSON at column ",
    f"{ENTER}\n": f'line 1: the header must say "format": "{FORMAT}", not None',
    f'{{"format": "{FORMAT}"}}\n': 'line 1: lacks "capacity"',
    f"{HEADER}\n{ENTER}\n\n{ENTER}\n": "line 3: not JSON at column 1: Expecting value",
    f"{HEADER}\n{ENTER}\n{ENTER[:-5]}\n": "line 3: not JSON at column ",
    f"{HEADER}\n[]": "line 2: must be a JSON object, not []",
    f'{HEADER}\n{{"thread": "consumer"}}\n': 'line 2: lacks "action"',
    f'{HEADER}\n{{"action": "Enter"}}\n': 'line 2: lacks "thread"',
    f"{HEADER}\n{ENTER[:-1]}, {ENTER[1:]}": "line 2: says something twice",
}
HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"format": "a trace"}, f'the header must say "format": "{FORMAT}", not \'a trace\''),
    ({"capacity": -1}, f'"capacity" {RANGE} -1'),
    ({"epoch_size": True}, f'"epoch_size" {RANGE} True'),
    ({"epoch_size": 2**31}, f'"epoch_size" {RANGE} 2147483648'),
    ({"lookahead": 1}, '"lookahead" must be true or false, not 1'),
    ({"size": 3}, '"size" is unknown'),
    ({"state": []}, '"state" must be an object, not []'),
    ({"state": {}}, '"state" must have all variables, and lacks scope, permits, consumer,'),
]
ACTIONS: list[tuple[dict[str, Any], str]] = [
    ({"action": "Exit"}, "\"action\" must be an action of the protocol, not 'Exit'"),
    ({"action": [1]}, '"action" must be an action of the protocol, not [1]'),
    ({"thread": 1}, '"thread" must be a string, not 1'),
    ({"stat": {}}, '"stat" is unknown'),
    ({"state": {"size": 1}}, '"size" is unknown'),
    ({"state": {"scope": "in"}}, "\"scope\" must be one of new, inside, outside, not 'in'"),
    ({"state": {"scope": None}}, '"scope" must be one of new, inside, outside, not None'),
    ({"state": {"count": False}}, '"count" must be a number, not False'),
    ({"state": {"fetching": 1}}, '"fetching" must be true or false, not 1'),
    *(
        ({"state": {"later": later}}, f"{LATER} {later!r}")
        for later in ("ended", [1], [[1]], [["ended", 1]], [[True, "none"]], [[1, "over"]])
    ),
]
MALFORMED = {
    **FILES,
    **{json.dumps(EXAMPLE[0] | change): f"line 1: {told}" for change, told in HEADERS},
    **{
        f"{HEADER}\n{json.dumps(json.loads(ENTER) | change)}": f"line 2: {told}"
        for change, told in ACTIONS
    },
}


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_file_is_refused(text: str, tmp_path: Path) -> None:
    """It is said in which line a file is no trace, and why."""
    path = tmp_path / "run.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed) as caught:
        read_trace(path)
    assert str(caught.value).startswith(MALFORMED[text])


def test_older_file_has_no_lookahead(tmp_path: Path) -> None:
    """A record from before there was lookahead is one of a stream without it."""
    state = {name: value for name, value in EXAMPLE[0]["state"].items() if name != "later"}
    first = {name: value for name, value in EXAMPLE[0].items() if name != "lookahead"}
    read = read_trace(write(tmp_path / "old.jsonl", [{**first, "state": state}, *EXAMPLE[1:]]))
    assert read == read_trace(write(tmp_path / "new.jsonl", EXAMPLE))
    assert (read.limits, read.first) == (Limits(2, 3), INITIAL)


def test_epochs_behind_the_mark_are_read(tmp_path: Path) -> None:
    """What is read is what was written."""
    read = read_trace(write(tmp_path / "run.jsonl", AHEAD))
    assert read.limits == Limits(4, 2, True)
    assert [line.state for line in read.lines] == [tuple(s["state"].values()) for s in AHEAD[1:]]
    assert '<<<<2, "ended">>, <<1, "none">>>>' in module(read.first, read.lines)


def test_truncated_line_is_no_action(tmp_path: Path) -> None:
    """A last line that was cut off anywhere is named as such; one without its end is whole."""
    whole = f"{HEADER}\n{ENTER}\n{ENTER}"
    path = tmp_path / "run.jsonl"
    for cut in range(len(ENTER) + 1):
        path.write_text(whole[: len(whole) - cut], encoding="utf-8")
        read = read_trace(path)
        assert len(read.lines) == (1 if cut else 2)
        assert read.truncated is (0 < cut < len(ENTER))
