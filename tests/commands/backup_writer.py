"""A program that changes rows and pictures until it is ended; it prints the id of each row that was committed.

python -m tests.commands.backup_writer USER
"""

import sys
from itertools import count

import django

django.setup()

from django.utils import timezone  # noqa: E402 - Django is set up first

from accounts.models import User  # noqa: E402
from common.storage import stored  # noqa: E402
from livestreams import services  # noqa: E402
from livestreams.thumbnails import new_name  # noqa: E402
from tests.commands.backups import pictured_stream  # noqa: E402


def main() -> None:
    """Of four streams one gets another picture, and one is deleted, which renames its picture."""
    creator = User.objects.get(username=sys.argv[1])
    for number in count():
        stream = pictured_stream(creator, status="ended")
        match number % 4:
            case 1:
                name = new_name()
                with stored({name: name.encode() * 100}):
                    services.set_thumbnail(stream.pk, by=creator, now=timezone.now(), file=name)
            case 3:
                services.delete_stream(stream.pk, by=creator, now=timezone.now())
        print(stream.pk, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
