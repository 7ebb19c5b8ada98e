"""The files that the image gets from the checkout, as deploy/Containerfile names them."""

import re
import shutil
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
CONTAINERFILE = ROOT / "deploy" / "Containerfile"


def copied() -> list[str]:
    """The paths that the image gets from the checkout."""
    lines = re.findall(r"(?m)^COPY (?!--from)(.+)$", CONTAINERFILE.read_text())
    return [name for line in lines for name in line.split()[:-1]]


def installed(folder: Path) -> Path:
    """Copy them to a new folder, as /srv/kumanda in the image."""
    for name in copied():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return folder
