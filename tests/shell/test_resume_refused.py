"""Rule 15: what is no state is refused by the name of what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernel import StreamWrapper

from ..support.sources import Boom, Source, epoch

STATE = {
    "version": 1,
    "epoch_size": 3,
    "epoch": 4,
    "batches_in_epoch": 2,
    "pass_epoch": 3,
    "batches_in_pass": 5,
    "source": None,
    "batches_after_source": 5,
}

NUMBERS = [key for key in STATE if key != "source"]


def loaded(state: Any, epoch_size: int = 3) -> Any:
    stream = StreamWrapper(lambda: range(9), 0, epoch_size)
    stream.load_state_dict(state)
    return stream


def test_rule_15_the_state_is_taken_as_it_is() -> None:
    assert loaded(STATE).state_dict() == STATE
    assert epoch(loaded(STATE)) == [5]
    assert StreamWrapper(list, 0, 3).state_dict().keys() == STATE.keys()


@pytest.mark.parametrize("key", STATE)
def test_rule_15_truncated(key: str) -> None:
    """Rule 15: a state that lacks something is refused by its name."""
    with pytest.raises(ValueError, match=rf"state\['{key}'\]"):
        loaded({name: value for name, value in STATE.items() if name != key})


@pytest.mark.parametrize("value", [-1, None, "2", 2.0, True, [], np.int64(2)])
@pytest.mark.parametrize("key", NUMBERS)
def test_rule_15_no_number(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"state\['{key}'\] must be an integer"):
        loaded(STATE | {key: value})


@pytest.mark.parametrize(
    ("forged", "key"),
    [
        ({"version": 2}, "version"),
        ({"version": 0}, "version"),
        ({"epoch_size": 2}, "epoch_size"),
        ({"epoch_size": 0}, "epoch_size"),
        ({"batches_in_epoch": 4}, "batches_in_epoch"),
        ({"batches_in_pass": 0, "batches_after_source": 0}, "batches_in_pass"),
        ({"batches_after_source": 6}, "batches_after_source"),
        ({"batches_after_source": 4}, "batches_after_source"),
        ({"source": {}, "batches_after_source": 5}, "batches_after_source"),
        ({"source": {}, "batches_after_source": 0}, "batches_after_source"),
        ({"pass_epoch": 5}, "pass_epoch"),
    ],
)
def test_rule_15_forged(forged: dict[str, Any], key: str) -> None:
    """Rule 15: a state of no place is refused, and names what is wrong; the stream still works."""
    stream = StreamWrapper(lambda: range(9), 0, 3)
    with pytest.raises(ValueError, match=rf"state\['{key}'\]"):
        stream.load_state_dict(STATE | forged)
    assert epoch(stream) == [0, 1, 2]


def test_rule_15_a_place_where_epochs_are_passes() -> None:
    """Rule 15: as many batches of the epoch as of the pass."""
    for inside in (2, 3), (3, 2), (0, 1):
        keys = "batches_in_epoch", "batches_in_pass"
        forged = dict(zip(keys, inside, strict=True)) | {"batches_after_source": inside[1]}
        with pytest.raises(ValueError, match="no place"):
            loaded(STATE | forged | {"epoch_size": 0}, -1)


@pytest.mark.parametrize("state", [None, [], "state", 3, b"", object()])
def test_rule_15_no_mapping(state: Any) -> None:
    with pytest.raises(ValueError, match="must be a mapping"):
        loaded(state)


def test_rule_15_too_late() -> None:
    """Rule 15: what was entered, read, begun or loaded is not loaded any more."""
    read, failed, entered = (StreamWrapper(Source([0], [1]), size, 3) for size in (0, 0, 2))
    assert next(read) == 0
    failed._core.stream_fn = Source(Boom())
    with pytest.raises(Boom):
        next(failed)
    with entered:
        pass
    twice = loaded(STATE)
    fresh = loaded(STATE | {"batches_in_epoch": 0, "batches_in_pass": 0, "batches_after_source": 0})
    for stream in read, failed, entered, twice, fresh:
        with pytest.raises(RuntimeError, match="already"):
            stream.load_state_dict(STATE)
    closed = StreamWrapper(list, 0, 3)
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        closed.load_state_dict(STATE)
