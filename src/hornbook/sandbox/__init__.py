"""Runs Python that nobody has read: in processes of its own, without network or files, within limits."""
