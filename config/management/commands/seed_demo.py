"""Fill an empty database with the world of the demonstration."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config import world


class Command(BaseCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        done = world.seed(timezone.now())
        self.stdout.write(str(done))
