"""The report: runs as swimlanes, and the protocol as a graph, on one page that loads nothing.

In the order of reading: `lanes` (the model of a swimlane), `values`, `seed` and `stories`,
`protocol`, `schedule` (what makes one), `groups` and `layout` (the state graph), `known` (the
properties), `page` and `terminal` (what shows them), `command`.

A failing schedule of an explorer is shown by

    html = page.report(own=[from_schedule(title, [(thread, operation, changes), ...])])
"""

from . import page
from .lanes import Leaves, Swimlane
from .schedule import Move, from_schedule, from_trace

__all__ = ["Leaves", "Move", "Swimlane", "from_schedule", "from_trace", "page"]
