"""The lifecycle of a stream for the API document."""

from livestreams.models import LIFECYCLE, Action


def lifecycle_diagram() -> str:
    """The lifecycle as a Mermaid state diagram."""
    lines = [
        "stateDiagram-v2",
        "    [*] --> scheduled: create with a planned start",
        "    [*] --> preparing: create",
    ]
    for status, moves in LIFECYCLE.items():
        lines += [
            f"    {status} --> {target}: {action}"
            for action, target in moves.items()
            if action is not Action.EDIT and action is not Action.DELETE
        ]
        if set(moves) == {Action.DELETE}:
            lines.append(f"    {status} --> [*]")
    return "\n".join(lines)
