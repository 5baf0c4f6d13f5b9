"""`python -m kernel`: a classifier learns handwritten digits and hardly waits for its batches.

The source shifts the digits in Python, which takes time. A worker pulls these batches ahead, and
the training lets it: a gate is open around the matrix products, which release the GIL. `--buffer 0`
reads without a worker, for comparison. The packages imported here are those of the extra `demo`;
the library needs none of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from . import StreamWrapper

try:
    import numpy as np
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from sklearn.datasets import load_digits
except ModuleNotFoundError as missing:
    package = (missing.name or "").partition(".")[0]
    print(f"{package} is missing: pip install numpy scikit-learn rich", file=sys.stderr)
    sys.exit(2)

BATCH_SIZE = 64
PASS = 28  # batches in a pass over the digits
EPOCH = 40  # batches in an epoch: across passes
FEATURES = 4096
RATE = 0.01


class Digits:
    """The source: each call begins a pass of shuffled batches, and times how they are made."""

    def __init__(self) -> None:
        digits = load_digits()
        self.images = digits.images / 16
        self.labels = digits.target
        self.random = np.random.default_rng(0)
        self.seconds = 0.0  # spent on batches so far

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        """One pass."""
        order = self.random.permutation(len(self.images))[: PASS * BATCH_SIZE]
        for rows in np.split(order, PASS):
            start = time.perf_counter()
            shifts = self.random.integers(-1, 2, (BATCH_SIZE, 2))
            shifted = [
                np.roll(i, s, (0, 1)) for i, s in zip(self.images[rows], shifts, strict=True)
            ]
            batch = {"images": np.reshape(shifted, (BATCH_SIZE, -1)), "labels": self.labels[rows]}
            self.seconds += time.perf_counter() - start
            yield batch


class Classifier:
    """A softmax on fixed random features, trained by gradient descent."""

    def __init__(self) -> None:
        self.hidden = np.random.default_rng(1).normal(0, 0.2, (64, FEATURES))
        self.weights = np.zeros((FEATURES, 10))

    def train(self, batch: dict[str, np.ndarray]) -> float:
        """One step. Returns the mean loss of the batch."""
        features = np.maximum(batch["images"] @ self.hidden, 0)
        logits = features @ self.weights
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        truth = np.eye(10)[batch["labels"]]
        self.weights -= RATE / BATCH_SIZE * features.T @ (odds - truth)
        return float(-np.log((odds * truth).sum(1)).mean())


def train(
    epochs: int, buffer: int, show: Callable[[int, int, float, float], None]
) -> tuple[float, float]:
    """Train. `show` gets epoch, batches so far, mean loss so far, share of reading hidden so far.

    Returns the seconds that reading took, and those for which the training waited for it.
    """
    source, model = Digits(), Classifier()
    profile: dict[str, list[float]] = {}
    stream = StreamWrapper(source, buffer, EPOCH, name="train", profile=profile)
    waited = 0.0
    with stream:
        for epoch in range(1, epochs + 1):
            losses: list[float] = []
            for batch in stream:
                waited += profile["read_batch_train"][-1]
                with stream.allow_buffering:
                    losses.append(model.train(batch))
                hidden = share_hidden(source.seconds, waited)
                show(epoch, len(losses), sum(losses) / len(losses), hidden)
    return source.seconds, waited


def share_hidden(read: float, waited: float) -> float:
    """The share of the reading for which the training did not wait."""
    return max(0.0, 1 - waited / read)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m kernel",
        description="Train a classifier of handwritten digits on batches that a worker prefetches, "
        "and show how much of the reading that hides.",
    )
    parser.add_argument(
        "--epochs", type=int, default=5, help=f"of {EPOCH} batches each (default: %(default)s)"
    )
    parser.add_argument(
        "--buffer", type=int, default=4, help="batches; 0: no worker (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error(f"--epochs must be at least 1, not {arguments.epochs}")
    if arguments.buffer < 0:
        parser.error(f"--buffer must be at least 0, not {arguments.buffer}")
    return arguments


def main() -> int:
    """Train as told, and show how far it is. Returns the exit status."""
    arguments = parse()
    console = Console(highlight=False)
    progress = Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.2f}, reading hidden {task.fields[hidden]:.0%}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:

        def show(epoch: int, batches: int, loss: float, hidden: float) -> None:
            if batches == 1:
                progress.add_task("", total=EPOCH, epoch=epoch, loss=loss, hidden=hidden)
            bar = progress.task_ids[-1]
            progress.update(bar, completed=batches, loss=loss, hidden=hidden)
            if batches == EPOCH and not console.is_terminal:
                console.print(f"epoch {epoch}: loss {loss:.2f}, reading hidden {hidden:.0%}")

        read, waited = train(arguments.epochs, arguments.buffer, show)
    console.print(
        f"Reading took {read:.2f} s, and the training waited {waited:.2f} s for it: "
        f"{share_hidden(read, waited):.0%} was hidden."
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # as the shell tells it
