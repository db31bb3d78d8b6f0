"""The language of exercises: parts, the families that compose them, and the words for both."""
