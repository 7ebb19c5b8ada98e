"""The doctor's check whether all processes have the same keys, named in `settings.DOCTOR_CHECKS`."""

from collections.abc import Iterator

from common.doctor import Finding, error, warning
from common.secret_keys import advice
from common.secret_keys.overview import overview
from common.secret_keys.stages import Stage

UNFINISHED = {Stage.ADDING, Stage.SWITCHING, Stage.REMOVING}


def examine() -> Iterator[Finding]:
    for standing in overview("doctor").standings:
        state, step = advice.state(standing), advice.next_step(standing)
        if standing.stage == Stage.CONFLICT:
            yield error("keys_differ", state, step)
        elif standing.stage in UNFINISHED:
            yield warning("keys_unequal", state, f"{step} rotate_keys guides through it.")
        elif standing.stage == Stage.REMOVABLE:
            yield warning("old_key_accepted", state, step)
