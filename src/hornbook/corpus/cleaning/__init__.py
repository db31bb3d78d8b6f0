"""The passes of cleaning, in their order: entries, resemblance, leaks, writing. Each works in portions."""
