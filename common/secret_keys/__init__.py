"""Rotation of SECRET_KEY and JWT_SIGNING_KEY over several machines without a refused call: docs/keys.md."""
