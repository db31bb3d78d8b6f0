"""Studies: a recipe in several arms and seeds, and whether what differs between the arms is more than chance."""
