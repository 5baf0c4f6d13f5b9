"""Every schedule of a program on the real `StreamWrapper`, by its real code.

`fingerprint` tells executions apart, `search` finds them all, `reach` says what the machine alone
could do, `sample` takes samples of longer programs, `schedule` spells one schedule and plays it.
`python -m tests.explore` runs it all.
"""
