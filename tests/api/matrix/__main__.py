"""Compare the tables with the responses of the service. With `--write`, rewrite the tables and print the difference."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.api.matrix.table import WRITE

HERE = Path(__file__).parent
# The tests that ask for cells. The others examine the tables that are there, which `--write` replaces.
COLLECTING = "answered_as_in_the_table"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.api.matrix", description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the tables and print a diff for review")
    arguments = parser.parse_args()
    # One process, because the cells are collected in memory.
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", str(HERE)]
    if not arguments.write:
        return subprocess.run(pytest, check=False).returncode
    return subprocess.run([*pytest, "-s", "-k", COLLECTING], env=os.environ | {WRITE: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
