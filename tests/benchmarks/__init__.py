"""Speed against what a user would pick instead. See `__main__` for the command."""
