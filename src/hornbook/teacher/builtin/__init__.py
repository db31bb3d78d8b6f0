"""The teacher that needs no network: a rubric, and exercises composed from parts."""
