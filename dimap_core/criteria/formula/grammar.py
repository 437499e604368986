"""The grammar of a formula, read from left to right into steps that a stack of values works out.

    sum     = product {("+" | "-") product}
    product = signed {("*" | "/") signed}
    signed  = "-" signed | power
    power   = value ["^" signed]
    value   = NUMBER | WORD | FUNCTION "(" sum {"," sum} ")" | "(" sum ")"

A line of bounded length, depth and number of steps; whatever else was typed is one sentence with its place, from 1.
Next door: `words` has the words, `scoring` works the steps out.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from ...types import InvalidPlan
from .words import FUNCTIONS, WORDS

MOST_LETTERS, MOST_STEPS, MOST_DEPTH = 160, 40, 12
_LARGEST = 1e30
_TOKEN = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)|(?P<word>\|w\||[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>[-+*/^(),])"
)


class Step(NamedTuple):
    """`kind`: "number" (its value), "word", "function" or "operator" (by its name), which takes values off the stack
    and puts its own there."""

    kind: str
    what: str
    number: float = 0.0


class Token(NamedTuple):
    """A piece of the line: its `kind` of the pattern ("end" behind the last), its text, its place from 1."""

    kind: str
    text: str
    place: int


def read(line: str) -> tuple[Step, ...]:
    """The line's steps; raises InvalidPlan, which says what is wrong with it and where."""
    if len(line) > MOST_LETTERS:
        raise InvalidPlan(f"The formula has {len(line):,} characters; keep it to {MOST_LETTERS}.")
    tokens = _tokens(line)
    if not tokens[:-1]:
        raise InvalidPlan("The formula is empty; write w, for instance.")
    reader = _Reader(tokens)
    reader.sum()
    reader.end()
    if len(reader.steps) > MOST_STEPS:
        raise InvalidPlan(f"The formula has {len(reader.steps)} numbers, words and signs; keep it to {MOST_STEPS}.")
    return tuple(reader.steps)


def _tokens(line: str) -> list[Token]:
    found, at = [], 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is not None:
            found.append(Token(str(match.lastgroup), match.group(), at + 1))
            at = match.end()
        elif line[at] == " ":
            at += 1
        else:
            letter = f"'{line[at]}'" if line[at].isprintable() else f"the character U+{ord(line[at]):04X}"
            raise InvalidPlan(
                f"At place {at + 1} of the formula stands {letter}, which it does not know; "
                "write numbers, words, + - * / ^ , and parentheses."
            )
    return [*found, Token("end", "", len(line) + 1)]


class _Reader:
    """Goes through the tokens once; each method reads what the grammar calls by its name."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.steps, self.depth = tokens, list[Step](), 0

    @property
    def next(self) -> Token:
        return self.tokens[0]

    def take(self, signs: str) -> Token | None:
        """The next token, if it is one of these signs."""
        if self.next.kind == "sign" and self.next.text in signs:
            return self.tokens.pop(0)
        return None

    def add(self, kind: str, what: str, number: float = 0.0) -> None:
        self.steps.append(Step(kind, what, number))

    def sum(self) -> None:
        self.product()
        while sign := self.take("+-"):
            self.product()
            self.add("operator", sign.text)

    def product(self) -> None:
        self.signed()
        while sign := self.take("*/"):
            self.signed()
            self.add("operator", sign.text)

    def signed(self) -> None:
        """Everything that nests passes here."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            self.refuse(f"it nests more than {MOST_DEPTH} deep; write it flatter")
        if self.take("-"):
            self.signed()
            self.add("operator", "negative")
        else:
            self.power()
        self.depth -= 1

    def power(self) -> None:
        self.value()
        if self.take("^"):
            self.signed()
            self.add("operator", "^")

    def value(self) -> None:
        token = self.next
        if opened := self.take("("):
            self.sum()
            self.close(opened)
        elif token.kind == "number":
            self.tokens.pop(0)
            self.number(token)
        elif token.kind == "word":
            self.tokens.pop(0)
            self.word(token)
        else:
            before = f"before '{token.text}'" if token.text else "at the end"
            self.refuse(f"a number, a word or '(' is missing {before}; put one there or take out the sign before it")

    def number(self, token: Token) -> None:
        if float(token.text) > _LARGEST:
            self.refuse(f"'{token.text[:12]}' is too large a number; write at most {_LARGEST:g}", token)
        self.add("number", "", float(token.text))

    def word(self, token: Token) -> None:
        name = "w" if token.text == "|w|" else token.text
        if name in FUNCTIONS:
            self.function(token)
        elif name in WORDS:
            self.add("word", name)
        else:
            near = get_close_matches(name, [*WORDS, *FUNCTIONS], 1)
            known = f"did you mean {near[0]}?" if near else f"it knows {', '.join([*WORDS, *FUNCTIONS])}."
            raise InvalidPlan(f"At place {token.place} of the formula stands '{name[:20]}', no word of it; {known}")

    def function(self, token: Token) -> None:
        function, opened = FUNCTIONS[token.text], self.take("(")
        if opened is None:
            self.refuse(f"{token.text} needs its parentheses; write {function.example}", token)
        self.sum()
        given = 1
        while self.take(","):
            self.sum()
            given += 1
        self.close(opened)
        if given != function.takes:
            self.refuse(f"{token.text} takes {function.takes}, not {given}; write {function.example}", token)
        self.add("function", token.text)

    def close(self, opened: Token) -> None:
        if self.take(")") is None:
            if self.next.kind == "end":
                self.refuse("the '(' is never closed; add a ')'", opened)
            self.behind()

    def end(self) -> None:
        if self.next.text == ")":
            self.refuse("the ')' closes nothing; leave it out")
        if self.next.kind != "end":
            self.behind()

    def behind(self) -> NoReturn:
        """What stands behind a whole value without a sign between."""
        if self.next.text == ",":
            self.refuse(
                "the ',' parts nothing; values are parted in min(a, b) and max(a, b) alone, write . for decimals"
            )
        self.refuse(f"a sign is missing before '{self.next.text[:20]}'; write * to multiply")

    def refuse(self, what: str, at: Token | None = None) -> NoReturn:
        raise InvalidPlan(f"At place {(at or self.next).place} of the formula {what}.")
