"""`python -m specs.conform.serve`: the process that plays programs for a `Runner`."""

from .programs import serve

if __name__ == "__main__":
    serve()
