"""Declarations of the stages."""
