"""An LLM behind any OpenAI-compatible endpoint: asked once for each request, whatever happens on the way."""
