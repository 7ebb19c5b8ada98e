#!/usr/bin/env python
"""The command line: what developers and operators run."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, execute_from_command_line
from django.db import OperationalError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        if sys.argv[1:2] == ["version"]:
            # Django would answer with its own version.
            django.setup()
            ManagementUtility(sys.argv).fetch_command("version").run_from_argv(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    except OperationalError as error:
        sys.exit(f"The database does not answer: {error}")
    except KeyboardInterrupt:
        # What make and shells expect of a program that Ctrl-C ended.
        sys.exit(130)


if __name__ == "__main__":
    main()
