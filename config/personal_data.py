"""Tables of packages: what they store about a person. See `common.personal_data`."""

from collections.abc import Iterator

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinatePeriodicDefer

from common.personal_data import Declaration, NotPersonal, Remove, Source

NAMES = "names of the installation"
JOB = "ids and names of files; it is removed after JOB_RETENTION_DAYS"


def declarations() -> Iterator[Declaration]:
    yield Source("admin_log", LogEntry, "user", Remove(), is_about=False)
    yield NotPersonal(Group, {"name": NAMES})
    yield NotPersonal(Permission, {"*": NAMES})
    yield NotPersonal(ContentType, {"*": NAMES})
    yield NotPersonal(
        Session, {"*": "signed data without a column of the person; accounts.services ends and removes it"}
    )
    yield NotPersonal(ProcrastinateJob, {"*": JOB})
    yield NotPersonal(ProcrastinateEvent, {"*": JOB})
    yield NotPersonal(ProcrastinatePeriodicDefer, {"*": JOB})
