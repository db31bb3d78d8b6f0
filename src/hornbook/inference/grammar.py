"""JSON schemas and regular expressions, enforced token by token by llguidance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.model.tokenizers import Tokenizer

_SPARE = 8  # tokens that a choice may take more than another: a number of several digits, a longer name


class Grammars:
    """What a model's tokenizer needs for grammars; made once, since it looks at the whole vocabulary."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: int) -> None:
        """vocabulary: size of the model's logits."""
        self._vocabulary, self._stops = vocabulary, sorted(tokenizer.stops)
        self._tokenizer = llguidance.LLTokenizer(tokenizer.serialised(), n_vocab=vocabulary, eos_token=self._stops)
        # What closes a string, or is an empty one when it comes twice; then what closes objects and lists. In a string
        # braces are letters, so the quote comes first.
        quote, braces = np.zeros(vocabulary, np.bool_), np.zeros(vocabulary, np.bool_)
        quote[[token for token in tokenizer.beginning_with('"') if tokenizer.spelling(token) == b'"']] = True
        braces[[*tokenizer.beginning_with("}"), *tokenizer.beginning_with("]"), *self._stops]] = True
        self._closing = (quote, braces)

    def of_schema(self, schema: Mapping[str, Any] | bool) -> TokenGrammar:
        """A JSON text that a schema allows. Raises UserError for a schema that cannot be enforced."""
        # A model that may put blanks between signs may put nothing else, and never ends.
        defaults = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        told = json.dumps(schema)
        # Hardly less than it takes to close what is open and to name what is required: a third of a token a character.
        reserve = 16 + len(told) // 3
        return self._made(llguidance.LLMatcher.grammar_from_json_schema, told, reserve, defaults=defaults)

    def of_regex(self, pattern: str) -> TokenGrammar:
        """A text that a regular expression (Rust's syntax, without look-around) describes as a whole."""
        return self._made(llguidance.LLMatcher.grammar_from_regex, pattern, 0)

    def _made(self, grammar_from: Any, told: str, reserve: int, **options: Any) -> TokenGrammar:
        try:
            grammar = grammar_from(told, **options)
        except ValueError as error:
            raise UserError(f"the grammar cannot be enforced: {_line(error)}") from None
        wrong = llguidance.LLMatcher.validate_grammar(grammar, self._tokenizer)
        if wrong:
            raise UserError(f"the grammar cannot be enforced: {_line(wrong)}")
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        return TokenGrammar(matcher, self._vocabulary, self._closing, reserve)


def _line(told: object) -> str:
    return str(told).strip().splitlines()[0][:300]


class TokenGrammar:
    """Which tokens may come next: see `choosing.Grammar`."""

    def __init__(
        self, matcher: llguidance.LLMatcher, vocabulary: int, closing: Sequence[NDArray[np.bool_]], reserve: int
    ) -> None:
        """reserve: from so many tokens on before the room ends, it is looked how many an end takes."""
        self._matcher, self._closing, self._reserve = matcher, closing, reserve
        self._vocabulary = vocabulary
        self._mask = llguidance.numpy.allocate_token_bitmask(1, vocabulary)

    def restrict(self, logits: NDArray[np.float32], left: int) -> None:
        """See `choosing.Grammar`."""
        if left <= self._reserve and self._to_an_end(left) >= left - _SPARE:
            allowed = self._ending(self._matcher)
        else:
            allowed = self._allowed(self._matcher)
        logits[~allowed] = -np.inf

    def _allowed(self, matcher: llguidance.LLMatcher) -> NDArray[np.bool_]:
        llguidance.numpy.fill_next_token_bitmask(matcher, self._mask)
        if matcher.is_error():
            raise UserError(f"the grammar cannot be followed: {_line(matcher.get_error())}")
        return np.unpackbits(self._mask.view(np.uint8)[0], bitorder="little")[: self._vocabulary].astype(np.bool_)

    def _ending(self, matcher: llguidance.LLMatcher) -> NDArray[np.bool_]:
        """Of the tokens that may come next those that lead to an end; all of them where the schema leaves a choice."""
        allowed = self._allowed(matcher)
        forced = matcher.compute_ff_tokens()
        if forced:
            allowed[:] = False
            allowed[forced[0]] = True
        for closing in self._closing:
            if (allowed & closing).any():
                return allowed & closing
        return allowed

    def _to_an_end(self, most: int) -> int:
        """How many tokens an end takes from here, `most` where it takes more."""
        matcher = self._matcher.deep_copy()
        for taken in range(most):
            if matcher.is_stopped():
                return taken
            matcher.consume_token(int(self._ending(matcher).argmax()))
        return most

    def accept(self, token: int) -> None:
        """See `choosing.Grammar`."""
        self._matcher.consume_token(token)

    @property
    def finished(self) -> bool:
        """See `choosing.Grammar`."""
        return bool(self._matcher.is_stopped())
