"""What an operator does at each stage of a rotation, in sentences for `rotate_keys` and `doctor`."""

from common.secret_keys.stages import Stage, Standing

RESTART = "restart serve and worker there, one host after the other"
MOST_SHOWN = 20
NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def state(standing: Standing) -> str:
    name, old = standing.name, ", ".join(standing.others)
    match standing.stage:
        case Stage.SETTLED:
            return f"{name} is the same everywhere: {standing.signs}."
        case Stage.ADDING:
            return f"The next {name} ({old}) is not accepted everywhere yet. Still to restart: {_behind(standing)}."
        case Stage.ACCEPTED:
            return f"The next {name} ({old}) is accepted everywhere, and {standing.signs} still signs."
        case Stage.SWITCHING:
            return f"{standing.signs} signs, but not everywhere yet. Still with the old {name}: {_behind(standing)}."
        case Stage.SIGNING | Stage.REMOVABLE:
            return f"{standing.signs} signs everywhere, and the old {name} ({old}) is still accepted."
        case Stage.REMOVING:
            return f"The old {name} ({old}) is not removed everywhere yet. Still accepted by: {_behind(standing)}."
        case Stage.CONFLICT:
            return (
                f"Some processes use a {name} that others do not accept, so that they refuse what the others signed."
                f" Keys: {standing.signs}, {old}. Processes that do not accept each of them: {_behind(standing)}."
            )


def next_step(standing: Standing) -> str:
    name = standing.name
    fallbacks = f"{name}_FALLBACKS"
    match standing.stage:
        case Stage.SETTLED:
            return (
                f"To replace it, make a key ({NEW_KEY}), add it to {fallbacks} on each host, and {RESTART}."
                f" {name} itself stays as it is."
            )
        case Stage.ADDING:
            return f"Add the next key to {fallbacks} there, and {RESTART}."
        case Stage.ACCEPTED:
            return (
                f"On each host, exchange the two: set {name} to the next key, and put the old one in its place in"
                f" {fallbacks}. Then {RESTART}."
            )
        case Stage.SWITCHING:
            return f"Exchange {name} and the key in {fallbacks} there, and {RESTART}."
        case Stage.SIGNING:
            when = f"{standing.removable_from:%Y-%m-%d %H:%M} UTC" if standing.removable_from else "later"
            return (
                f"Keep the old key in {fallbacks} until {when}, and run rotate_keys again then.{_lasting(standing)} If"
                " it has leaked, remove it at once: what is signed with it is then refused."
            )
        case Stage.REMOVABLE:
            return f"Nothing needs the old key any more. Remove it from {fallbacks} on each host, and {RESTART}."
        case Stage.REMOVING:
            return f"Remove the old key from {fallbacks} there, and {RESTART}."
        case Stage.CONFLICT:
            return (
                f"Set {name} and {fallbacks} alike on all hosts, with every key that is in use in one of the two, and"
                f" {RESTART}."
            )


def _lasting(standing: Standing) -> str:
    if not standing.uses:
        return ""
    shown = ", ".join(standing.uses[:MOST_SHOWN])
    more = f" and {len(standing.uses) - MOST_SHOWN} more" if len(standing.uses) > MOST_SHOWN else ""
    return (
        f" These tokens of servers hold for longer, and are to be replaced before: {shown}{more}. Issue another with"
        " manage.py people token USER, configure it, and end the old one with --end ID."
    )


def _behind(standing: Standing) -> str:
    return ", ".join(standing.behind)
