"""The phi family: one transformer, its parts, and its checkpoints on disk."""
