"""Scenarios of operations that viewers call: reports and feedback."""

from typing import Any

import pytest
from django.utils import timezone

from edges.services import admit
from livestreams.models import Status
from tests.api.operations import Operation, World
from tests.streams import make_stream


def as_the_creator(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    return world.call(operation, by=world.creator)


def before_the_end(world: World, operation: Operation, _: pytest.MonkeyPatch) -> Any:
    stream = make_stream(world.creator, Status.ACTIVE)
    admit(world.caller, stream.pk, status="active", role="audience", restriction=None, now=timezone.now())
    world.ids["id"] = stream.pk
    return world.call(operation)
