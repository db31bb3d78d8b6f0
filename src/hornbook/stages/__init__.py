"""The stages of a recipe: which function of which room, on which inputs, with which settings."""
