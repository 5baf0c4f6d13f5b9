"""Mutants of looking past the end of an epoch: each goes wrong with `Lookahead = TRUE`."""

from __future__ import annotations

from .mutants import read

_LOOKAHEAD = r"""
Fail goes on behind an error: MarksRespected in Fail
- begun' = FALSE
+ begun' = Lookahead
< begun, count = False, 0
> begun, count = limits.lookahead, 0

Exhaust looks past an empty pass: MarksRespected in Exhaust
- (Lookahead /\ yielded)
+ Lookahead
< limits.lookahead and yielded, 0
> limits.lookahead, 0

Enqueue begins an epoch with each batch: MarksRespected in Enqueue
- Put(1, "none") /\ UNCHANGED begun
+ UNCHANGED begun /\ (IF mark = "none" THEN Put(1, "none")
+           ELSE later' = Append(later, <<1, "none">>) /\ UNCHANGED <<buffered, mark>>)
< buffered, mark, later = put(
> if mark != "none" and not ends:
>         later = (*later, (0, "none"))
>     buffered, mark, later = put(

Enqueue goes on counting in the next epoch: EpochBounded in Enqueue
- EpochSize = 0 \/ count + 1 = EpochSize
+ EpochSize = 0
< begun, count = limits.lookahead, 0
> begun, count = limits.lookahead, count + 1

Enqueue puts a batch in front of the end: Refines in Enqueue
- Put(1, "none") /\ UNCHANGED begun
+ buffered' = buffered + 1 /\ UNCHANGED <<mark, later, begun>>
< buffered, mark, later = put(
> if mark != "none" and not ends:
>         buffered += 1
>     else:
>         buffered, mark, later = put(

EndEpoch loses the next epoch: Conservation in EndEpoch
- buffered' = Head(later)[1]
+ buffered' = 0
- mark' = Head(later)[2]
+ mark' = "none"
< (buffered, mark), later = later[0], later[1:]
> later = later[1:]

EndEpoch goes on with the last epoch: Refines in EndEpoch, EpochSize = 1
- buffered' = Head(later)[1]
+ buffered' = Held
- mark' = Head(later)[2]
+ mark' = LastMark
- later' = Tail(later)
+ later' = <<>>
< (buffered, mark), later = later[0], later[1:]
> buffered, mark, later = in_later(later), later[-1][1], ()

Start begins an epoch behind an error: EpochBegins in Start
- IF mark = "none" THEN TRUE
+ IF mark = "none" \/ Lookahead THEN TRUE
< if mark == "none":
> if mark == "none" or limits.lookahead:

Fetch for a request that a mark serves: GateRespected in Fetch
- /\ buffered = 0 /\ mark = "none"
+ /\ buffered = 0
< buffered == 0 and mark == "none"
> buffered == 0

Fetch counts the batches of one epoch: Bounded in Fetch
- Held < Slots
+ buffered < Slots
< buffered + in_later(later) >=
> buffered >=
"""
LOOKAHEAD = {mutant.name: mutant for mutant in read(_LOOKAHEAD)}
"""Each with the property that it violates, at epochs of 3 batches if it names no other size."""
