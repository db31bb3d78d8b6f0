"""Hornbook: small language models the phi way, textbook-quality data in, a model that fits in a pocket out."""

__version__ = "0.1.0"
