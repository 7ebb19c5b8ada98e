"""Jobs that failed, for the `doctor` command; named by `settings.DOCTOR_CHECKS`."""

from collections.abc import Iterator

from common.doctor import Finding, warning
from common.jobs import settled


def examine() -> Iterator[Finding]:
    """For `settings.DOCTOR_CHECKS`."""
    names = ", ".join(f"{name.rpartition('.')[2]} {count}" for name, count in sorted(settled.outstanding().items()))
    if names:
        yield warning(
            "jobs_failed",
            f"Jobs failed, and their work has not been done since: {names}.",
            "Correct the cause; the workers' log has the errors. Then run: python manage.py queue retry --state failed"
            " --reason WHY",
        )
