"""How long tests wait for other processes. It only ends a test that hangs: a busy machine may need minutes."""

PATIENCE = 240  # seconds; pytest ends a test after 300
