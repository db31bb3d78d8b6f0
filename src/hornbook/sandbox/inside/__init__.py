"""The far side of the sandbox: standard library only, started by path, never needs the rest of Hornbook."""
