"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hornbook.inference.scheduler import Answer
from hornbook.serve.worker import Worker

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """Counters of one server."""

    def __init__(self, worker: Worker) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter("hornbook_requests", "Requests by path and status.", ["path", "status"], registry=own)
        self.first = Histogram("hornbook_first_token_seconds", "Until the first token.", buckets=_SECONDS, registry=own)
        self._whole = Histogram("hornbook_answer_seconds", "Until an answer's end.", buckets=_SECONDS, registry=own)
        self._read = Counter("hornbook_prompt_tokens", "Tokens of prompts.", registry=own)
        self._cached = Counter("hornbook_cached_tokens", "Tokens of prompts found in the cache.", registry=own)
        self._made = Counter("hornbook_generated_tokens", "Tokens generated.", registry=own)
        self._finished = Counter("hornbook_answers", "Answers by how they ended.", ["finish"], registry=own)
        gauges = (
            ("hornbook_running", "Requests that have a place.", lambda: worker.running),
            ("hornbook_waiting", "Requests that wait for one.", lambda: worker.waiting),
            ("hornbook_cache_used", "Share of the cache that requests hold.", lambda: worker.used),
        )
        for name, told, value in gauges:
            Gauge(name, told, registry=own).set_function(value)

    def ended(self, answer: Answer, seconds: float) -> None:
        """Count an answer."""
        self._whole.observe(seconds)
        self._read.inc(len(answer.request.prompt))
        self._cached.inc(answer.cached)
        self._made.inc(len(answer.tokens))
        self._finished.labels(answer.finish).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
