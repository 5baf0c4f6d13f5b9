"""The executable specification of stream-kernel: oracle, properties and checkers."""
