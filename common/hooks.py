"""Hooks: what a lower app calls and a higher one implements. A setting names the implementation by dotted path.

An app declares its hooks in its `hooks.py`, each with the Protocol of what it calls, and imports that module when it
is ready. A system check resolves all of them, so that a wrong path fails at the start and not at the first call.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


class Hook[F: Callable[..., Any]]:
    """One path, or a list or dictionary of paths, in the setting `setting`.

    `protocol` is a Protocol with `__call__`: all that the paths name can be called like it.
    """

    declared: ClassVar[list["Hook[Any]"]] = []

    def __init__(self, setting: str, protocol: Any) -> None:
        self.setting = setting
        self.protocol = protocol
        self.declared.append(self)

    def function(self) -> F:
        """What a setting with one path names."""
        return _imported(getattr(settings, self.setting))

    def functions(self) -> dict[str, F]:
        """What a setting with several paths names: by the keys of a dictionary, by the paths of a list."""
        return {name: _imported(path) for name, path in self._paths().items()}

    def problems(self) -> Iterator[str]:
        """What is wrong with the setting."""
        if not hasattr(settings, self.setting):
            yield f"{self.setting} is not set"
            return
        for path in self._paths().values():
            try:
                function = _imported(path)
                _refuse_other_parameters(function, self.protocol)
            except (ImportError, TypeError) as error:
                yield f"{self.setting} names {path}, which is not a {self.protocol.__name__}: {error}"

    def _paths(self) -> dict[str, str]:
        value = getattr(settings, self.setting)
        if isinstance(value, dict):
            return value
        return {path: path for path in ([value] if isinstance(value, str) else value)}


@cache
def _imported(path: str) -> Any:
    return import_string(path)


def _refuse_other_parameters(function: Any, protocol: Any) -> None:
    """Raises TypeError when `function` cannot be called with the parameters of the protocol."""
    _self, *parameters = inspect.signature(protocol.__call__).parameters.values()
    by_name = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    by_position = len(parameters) - len(by_name)
    inspect.signature(function).bind(*[None] * by_position, **dict.fromkeys(by_name))


class ReadinessFact(Protocol):
    """A fact that `/readyz` reports to operators, as JSON."""

    def __call__(self, now: datetime, /) -> Any: ...


class DoctorCheck(Protocol):
    """Returns findings of `doctor`. It is called only if the database answers and has all its tables."""

    def __call__(self) -> Iterable[Any]: ...


class MetricsReading(Protocol):
    """Reads values for metrics from the database, a bounded number of rows. `now` is the time of the database."""

    def __call__(self, now: datetime, /) -> Iterable[Any]: ...


class LastingUses(Protocol):
    """Names what was signed with a key until `signed_by` and is still used after `used_after`, for an operator."""

    def __call__(self, *, signed_by: datetime, used_after: datetime) -> Iterable[str]: ...


READINESS_FACTS: Hook[ReadinessFact] = Hook("READINESS_FACTS", ReadinessFact)
DOCTOR_CHECKS: Hook[DoctorCheck] = Hook("DOCTOR_CHECKS", DoctorCheck)
METRICS_READINGS: Hook[MetricsReading] = Hook("METRICS_READINGS", MetricsReading)
KEY_USES: Hook[LastingUses] = Hook("KEY_USES", LastingUses)


@checks.register("hooks")
def check_hooks(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    return [
        checks.Error(problem, hint="Correct the dotted path in config/settings.py.", id="hooks.E001")
        for hook in Hook.declared
        for problem in hook.problems()
    ]


def require_hooks() -> None:
    """For processes that run no system checks. Raises ImproperlyConfigured when a setting is wrong."""
    problems = check_hooks()
    if problems:
        raise ImproperlyConfigured("\n".join(str(problem.msg) for problem in problems))
