"""The report: runs as swimlanes, and the protocol as a graph, on one page that loads nothing.

Read in this order. `lanes` defines a swimlane. `values`, `seed`, `stories`, `protocol` and
`schedule` make swimlanes. `groups` and `layout` make the state graph, and `known` has the
properties. `page` and `terminal` show all of it, and `command` is the command.

A failing schedule that another tool has found is shown by

    html = page.report(own=[from_schedule(title, [(thread, operation, changes), ...])])
"""

from . import page
from .lanes import Leaves, Swimlane
from .schedule import Move, from_schedule, from_trace

__all__ = ["Leaves", "Move", "Swimlane", "from_schedule", "from_trace", "page"]
