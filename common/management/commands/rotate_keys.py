"""Guide through the rotation of SECRET_KEY and JWT_SIGNING_KEY."""

from collections import Counter
from typing import Any

from common import audit
from common.clock import database_time
from common.commands import OperatorCommand, Outcome
from common.secret_keys import advice, lasting, reencrypting
from common.secret_keys.overview import Overview, overview
from common.secret_keys.running import FRESH_FOR
from common.secret_keys.stages import Stage, Standing

OLD_IS_ACCEPTED = (Stage.SIGNING, Stage.REMOVABLE)


class Command(OperatorCommand):
    help = (
        "Compare the keys of all running servers and workers by their fingerprints, and say what to do next.\n"
        "A rotation has three steps, after each of which this command says whether all hosts are done: the new key\n"
        "is accepted everywhere, then it signs, then the old one is removed. docs/keys.md describes them.\n"
        "When the new SECRET_KEY signs everywhere, what is encrypted with the old one is encrypted again, and what\n"
        "verifies links in sent emails is kept. Keys themselves are never printed.\n"
        "The command can run several times, also at once. Processes of other hosts that ended count for 75 seconds."
    )
    examples = (
        "python manage.py rotate_keys --dry-run",
        "python manage.py rotate_keys",
        "python manage.py rotate_keys --json",
    )
    changes_data = True

    def work(self, **options: Any) -> Outcome:
        dry_run: bool = options["dry_run"]
        found = overview("rotate_keys")
        encrypted, kept = reencrypting.Outcome(0, 0), 0
        (secret,) = (each for each in found.standings if each.name == "SECRET_KEY")
        if secret.stage in OLD_IS_ACCEPTED and found.waiting and not dry_run:
            encrypted, kept = reencrypting.encrypt_again(), lasting.keep(now=database_time())
            after = {"signs": secret.signs, "encrypted_again": encrypted.done, "links_kept": kept}
            audit.record_run("rotate_keys", "secret_key", now=database_time(), after=after)
            found = overview("rotate_keys")
        facts = {
            "dry_run": dry_run,
            "processes": [{"host": row.host, "role": row.role, "pid": row.pid} for row in found.processes],
            "keys": {standing.name: _facts(standing) for standing in found.standings},
            "encrypted_again": encrypted.done,
            "unreadable": encrypted.unreadable,
            "links_kept": kept,
            "waiting": found.waiting,
        }
        conflicts = [advice.state(each) for each in found.standings if each.stage == Stage.CONFLICT]
        lines = [_running(found)]
        if encrypted.done or kept:
            lines.append(f"{encrypted.done} values were encrypted again; keys of {kept} kinds of links were kept.")
        for standing in found.standings:
            lines += ["", advice.state(standing), f"Next: {advice.next_step(standing)}"]
        return Outcome(facts, "\n".join(lines), "\n".join(conflicts))


def _facts(standing: Standing) -> dict[str, Any]:
    return {
        "stage": standing.stage,
        "signs": standing.signs,
        "others": standing.others,
        "behind": standing.behind,
        "removable_from": standing.removable_from,
        "tokens_to_replace": standing.uses,
        "next": advice.next_step(standing),
    }


def _running(found: Overview) -> str:
    counted = Counter(map(str, found.processes))
    if not counted:
        return f"No server or worker has noted its keys for {FRESH_FOR.seconds} seconds: only this host is compared."
    return "Running: " + ", ".join(f"{label} × {count}" for label, count in sorted(counted.items())) + "."
