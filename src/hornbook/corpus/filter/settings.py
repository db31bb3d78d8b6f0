"""What can be set about filtering documents. Free of heavy imports: every recipe loads this."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.corpus.filter.rules import RULES, SETS, chosen
from hornbook.errors import nearest
from hornbook.settings import Settings

Private = Literal["secret", "email", "ip", "iban", "identity", "card", "phone"]


class LanguageSettings(Settings):
    """Which languages documents may have. Codes are ISO 639-1 where there is one; source code is `code`."""

    identify: bool = Field(False, description="add the columns language and language_score")
    keep: tuple[str, ...] = Field((), description="keep only these languages; unset: all")
    minimum_score: float = Field(0.0, ge=0, le=1, description="documents whose language is less sure are dropped")
    shares: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description='at most these shares of the characters; "*" stands for all languages not named, together'
    )

    @model_validator(mode="after")
    def _codes(self) -> Self:
        for name in (*self.keep, *self.shares):
            if re.fullmatch(r"[a-z]{2,3}|code|und|\*", name) is None:
                raise ValueError(
                    f"there is no language {name!r}: they go by codes such as en, de, zh; source code: code"
                )
        return self

    @property
    def active(self) -> bool:
        """Whether documents need a language."""
        return bool(self.identify or self.keep or self.minimum_score or self.shares)


class PrivacySettings(Settings):
    """What of people is masked."""

    mask: tuple[Private, ...] = Field((), description="email, ip, phone, card, iban, identity, secret")


class HeuristicSettings(Settings):
    """Which rules documents must pass; `hornbook.corpus.filter.rules` names them all, with their limits."""

    rules: tuple[str, ...] = Field((), description='rules, or whole sets: "gopher", "c4", "fineweb"')
    without: tuple[str, ...] = Field((), description="rules of those sets that are left out")
    sources: tuple[str, ...] = Field(
        (), description="the sources whose documents must pass: rules for web pages drop most source code; unset: all"
    )
    limits: dict[str, float] = Field({}, description="other limits than the published ones, by rule")
    bad_words: tuple[str, ...] = Field((), description="what c4.bad_words looks for; it comes with none of its own")

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in (*self.rules, *self.without, *self.limits):
            if name not in RULES and (name not in SETS or name in self.limits):
                raise ValueError(f"there is no rule {name!r}{nearest(name, [*RULES, *SETS])}")
        for name in self.limits:
            if RULES[name].limit is None:
                raise ValueError(f"the rule {name!r} has no limit to set")
        self._of_rules()
        if "c4.bad_words" in self.rules and not self.bad_words:
            raise ValueError("c4.bad_words comes with no words of its own: list them in bad_words")
        return self

    def _of_rules(self) -> None:
        """Refuse what would say something only if other rules were on."""
        if not self.rules:
            for setting, says in (("limits", "are of"), ("without", "leaves out")):
                if getattr(self, setting):
                    off = "[]" if setting == "without" else "{}"
                    raise ValueError(
                        f"{setting} {says} rules that are on, and rules names none: set {setting}={off} too"
                    )
        before, on = {*chosen(self.rules, ())}, chosen(self.rules, self.without)
        for name in self.limits:
            if name not in on:
                raise ValueError(f"limits are of rules that are on, and {name!r} is not: name it in rules")
        for name in self.without:
            if before.isdisjoint(chosen((name,), ())):
                raise ValueError(f"without leaves out rules that are on, and {name!r} is not")
        if self.bad_words and "c4.bad_words" not in on:
            raise ValueError("bad_words are for c4.bad_words, which is not on: name it in rules")


class FilterSettings(Settings):
    """What happens to documents before anything grades them. Unset, nothing does."""

    language: LanguageSettings = LanguageSettings()
    privacy: PrivacySettings = PrivacySettings()
    heuristics: HeuristicSettings = HeuristicSettings()

    @property
    def active(self) -> bool:
        """Whether anything is filtered at all."""
        return bool(self.language.active or self.privacy.mask or self.heuristics.rules)
