from django.db import migrations


class Migration(migrations.Migration):
    """Room in each page for the next versions of rows that are updated every two minutes.

    It concerns pages that are written from now on, and takes no lock that blocks writers. Figures:
    benchmarks/results/bloat.md.
    """

    dependencies = [("edges", "0006_feedback")]

    operations = [
        migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = 90)", f"ALTER TABLE {table} RESET (fillfactor)")
        for table in ("edges_participant", "edges_streamstatistics")
    ]
