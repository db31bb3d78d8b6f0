"""Safety: what a model finds likely to say of people."""
