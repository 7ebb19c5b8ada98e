"""Errors in the words of a log line or a finding."""


def first_line(error: BaseException) -> str:
    """The first line of its message, because libraries add hints and traces below it; its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
