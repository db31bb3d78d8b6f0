"""Safety: what a model finds likely to say of people, and who judges what its answers do with requests."""
