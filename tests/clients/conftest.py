"""The clients are generated and built before their tests are collected, if they are not up to date."""

from clients import build

# The modules of the tests import the generated package.
build.build_packages()
