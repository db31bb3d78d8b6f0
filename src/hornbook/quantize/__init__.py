"""Fewer bits for the same answers."""
