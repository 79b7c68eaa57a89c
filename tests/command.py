"""Run a command of the command line in this process."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from bayesmix.cli import main


@dataclass
class Outcome:
    """What a command left: its exit code, what it printed, and an exception that it let through."""

    exit_code: int
    stdout: str
    stderr: str
    output: str
    exception: Exception | None = None


class _Tee(io.StringIO):
    """Text of one stream, which also goes where all of it goes."""

    def __init__(self, both: io.StringIO) -> None:
        super().__init__()
        self.both = both

    def write(self, text: str) -> int:
        self.both.write(text)
        return super().write(text)


def run(*words: object) -> Outcome:
    """The outcome of a command."""
    output = io.StringIO()
    stdout, stderr = _Tee(output), _Tee(output)
    code, exception = 1, None
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            code = main([str(w) for w in words])
        except Exception as error:
            exception = error
    return Outcome(code, stdout.getvalue(), stderr.getvalue(), output.getvalue(), exception)
