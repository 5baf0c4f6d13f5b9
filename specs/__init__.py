"""The executable specification of stream-kernel: oracle, properties and checkers."""


class CannotRun(Exception):
    """A command cannot do what its arguments ask for. The text names the argument and its value."""
