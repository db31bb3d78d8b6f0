"""The teacher grades documents and writes exercises, conversations and preferences."""
