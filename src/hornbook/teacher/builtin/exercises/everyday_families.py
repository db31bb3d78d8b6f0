"""Families of functions that everybody writes first, in everyday words: one part each, and nothing held out.

A wording that begins with a capital letter is a whole sentence; another one is what is returned, or `whether` it holds.
{a} and {b} are the arguments' names, {them} what is in a list of numbers, in one of many words. A body may have several
lines.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style
from hornbook.teacher.builtin.exercises.parts import Bound, Part

_VALUES = ("Return", "Return", "Return", "Find", "Compute", "Get", "Calculate", "Give back")
_THEM = (
    "the values", "all numbers", "all values", "{a}", "the list", "the numbers in {a}", "the values in {a}",
    "the elements",
    "all the numbers in {a}", "the given numbers", "a list of values", "all elements of the list", "the items in {a}",
)  # fmt: skip
_TRUTHS = ("Return", "Check", "Check", "Tell", "Test", "Say")


def _write(style: Style, done: Bound) -> Sketch:
    slots = dict(zip("ab", style.names, strict=False))
    them = _THEM[(style.form + 5 * style.noun) % len(_THEM)].format(**slots)
    words = done.words(**slots, them=them)
    if words.startswith("whether "):
        if style.noun % 3 == 0:
            words = f"Return True if {words.removeprefix('whether ')}"
        elif style.noun % 3 == 1:
            words = f"{_TRUTHS[style.form % len(_TRUTHS)]} if {words.removeprefix('whether ')}"
        else:
            words = f"{_TRUTHS[style.form % len(_TRUTHS)]} {words}"
    elif not words[0].isupper():
        words = f"{_VALUES[style.form % len(_VALUES)]} {words}"
    return Sketch(
        phrase=words,
        body=tuple(done.part.code.replace("{a}", slots["a"]).replace("{b}", slots.get("b", "")).split("\n")),
        meaning=done.apply,
    )


def _does(name: str, code: str, meaning: Callable[..., Any], *words: str) -> Part:
    """A function of this usual name; `meaning` computes what `code` does another way."""
    return Part(name, name, code, lambda *values: meaning(*values[:-1]), words)


_LIST = (
    _does(
        "add_up", "return sum({a})", lambda xs: sum(x for x in xs),
        "the sum of the list", "the sum of all the numbers in {a}", "Add up all the numbers in {a}",
        "Sum up the values in the list", "the total of the numbers in a list", "Add all values of the list together",
        "the sum of {them}", "Add up {them}", "Sum {them}", "the total of {them}",
    ),
    _does(
        "length", "return len({a})", lambda xs: sum(1 for _ in xs),
        "the length of {a}", "how many items are in {a}", "the number of elements in the list",
        "Count the items in {a}",
    ),
    _does(
        "square_sum", "return sum(v * v for v in {a})", lambda xs: sum(x**2 for x in xs),
        "the sum of squares of {a}", "the sum of the squared values in the list", "Add up the squares of {a}",
        "Square all numbers and add them up", "the sum of the squares of all the values",
        "the sum of the squares of {them}, all added up", "the squares of {them} added up",
    ),
    _does(
        "count_evens", "return sum(1 for v in {a} if v % 2 == 0)", lambda xs: len([x for x in xs if not x & 1]),
        "the number of even values in {a}", "Count the even numbers in the list", "how many even numbers there are",
        "how many values in {a} are even", "Count how many numbers are even", "how many of the values are even",
        "how many of {them} are even", "Count the even ones among {them}",
    ),
    _does(
        "count_odds", "return sum(1 for v in {a} if v % 2 == 1)", lambda xs: len([x for x in xs if x & 1]),
        "the number of odd values in {a}", "Count the odd numbers in the list", "how many odd numbers there are",
        "how many of the numbers in {a} are odd", "Count how many numbers are odd",
        "how many of {them} are odd", "Count the odd ones among {them}",
    ),
    _does(
        "count_positive", "return sum(1 for v in {a} if v > 0)", lambda xs: len([x for x in xs if not x <= 0]),
        "the number of positive values in {a}", "Count the positive numbers",
        "how many numbers in the list are positive",
        "how many of the values in {a} are positive",
    ),
    _does(
        "product", "result = 1\nfor v in {a}:\n    result *= v\nreturn result", prod,
        "the product of the numbers in {a}", "Multiply all the numbers in the list", "the product of the list",
        "Multiply all values together",
        "the product of {them}", "Multiply {them}",
    ),
)  # fmt: skip

_EACH = (
    _does(
        "reversed_list", "return {a}[::-1]", lambda xs: list(reversed(xs)),
        "the list in reverse order", "Reverse the list", "Reverse the order of {a}", "a reversed copy of {a}",
    ),
    _does(
        "sort_list", "return sorted({a})", lambda xs: sorted(xs, reverse=True)[::-1],
        "Sort the list", "the list sorted in ascending order", "Sort {a} from smallest to largest",
        "a sorted copy of {a}",
        "Sort the values in increasing order",
        "Sort {them}", "Sort {them} in ascending order",
    ),
    _does(
        "sort_down", "return sorted({a}, reverse=True)", lambda xs: sorted(xs)[::-1],
        "the list sorted in descending order", "Sort {a} from largest to smallest", "Sort {a} in descending order",
        "Sort the list in reverse order", "the numbers in decreasing order",
        "Sort {them} in descending order, largest first", "Sort {them} from high to low", "{them} in descending order",
    ),
    _does(
        "doubled", "return [2 * v for v in {a}]", lambda xs: [x + x for x in xs],
        "a list with every number doubled", "Double each number in {a}", "Multiply every value in the list by 2",
        "Double all the values", "twice each number in the list",
        "Double {them}", "{them}, each doubled",
    ),
    _does(
        "squares", "return [v * v for v in {a}]", lambda xs: [x**2 for x in xs],
        "the squares of the numbers", "Square each number in the list", "a list of the squares of {a}",
        "Square every value in {a}",
        "Square {them}", "the squares of {them}",
    ),
    _does(
        "increment_all", "return [v + 1 for v in {a}]", lambda xs: [1 + x for x in xs],
        "Add 1 to every number in the list", "Add one to each value in {a}", "Increase every number by 1",
    ),
    _does(
        "evens", "return [v for v in {a} if v % 2 == 0]", lambda xs: [x for x in xs if not x & 1],
        "the even numbers in the list", "a list of only the even numbers", "Keep only the even numbers in {a}",
        "Filter out the odd numbers", "all even values of {a}", "Remove the odd numbers from the list",
    ),
    _does(
        "odds", "return [v for v in {a} if v % 2 == 1]", lambda xs: [x for x in xs if x & 1],
        "the odd numbers in the list", "a list of only the odd numbers", "Keep only the odd numbers in {a}",
        "Remove all even numbers from the list", "all odd values of {a}",
    ),
    _does(
        "only_positive", "return [v for v in {a} if v > 0]", lambda xs: [x for x in xs if not x <= 0],
        "the positive numbers in the list", "a list of the positive numbers", "Keep only the positive values in {a}",
        "Filter the positive numbers", "just the positive values", "only the values of {a} that are positive",
    ),
    _does(
        "drop_negative", "return [v for v in {a} if v >= 0]", lambda xs: [x for x in xs if not x < 0],
        "the list without negative numbers", "Remove negative values from {a}", "Drop all the negative numbers",
        "Remove every negative value from the list", "Take out all negative numbers in {a}",
    ),
    _does(
        "unique", "return sorted(set({a}))", lambda xs: sorted(dict.fromkeys(xs)),
        "the distinct numbers in sorted order", "the unique values of {a}, sorted",
        "Remove duplicates from {a} and sort it", "a sorted list without duplicates",
    ),
)  # fmt: skip

_WHETHER = (
    _does(
        "all_even", "return all(v % 2 == 0 for v in {a})", lambda xs: not [x for x in xs if x & 1],
        "whether all numbers are even", "whether every number in {a} is even",
        "whether all values in the list are even",
        "whether {them} are all even",
    ),
    _does(
        "every_positive", "return all(v > 0 for v in {a})", lambda xs: not [x for x in xs if x <= 0],
        "whether every number is positive", "whether all the values in {a} are positive",
        "whether all numbers in the list are positive", "whether the list has only positive numbers",
        "whether {them} are all positive", "whether every one of {them} is positive",
        "whether all the numbers are positive",
    ),
    _does(
        "any_negative", "return any(v < 0 for v in {a})", lambda xs: bool([x for x in xs if not x >= 0]),
        "whether any number is negative", "whether {a} has a negative number",
        "whether there is a negative value in {a}",
    ),
    _does(
        "has_duplicates", "return len({a}) != len(set({a}))", lambda xs: any(xs.count(x) > 1 for x in xs),
        "whether {a} has duplicates", "whether any number occurs twice", "whether the list contains duplicates",
    ),
    _does(
        "is_empty", "return len({a}) == 0", lambda xs: not xs,
        "whether the list is empty", "whether {a} is empty", "whether there is nothing in {a}",
    ),
    _does(
        "is_sorted", "return {a} == sorted({a})", lambda xs: all(xs[i] <= xs[i + 1] for i in range(len(xs) - 1)),
        "whether the list is sorted", "whether {a} is in ascending order", "whether the numbers are sorted",
    ),
)  # fmt: skip

_SOME = (
    _does(
        "max_value", "return max({a})", lambda xs: sorted(xs)[-1],
        "the largest value in {a}", "the maximum of {a}", "the biggest number in the list", "the maximum value",
        "the largest number", "the highest number in {a}", "the largest element of the list",
        "the largest of {them}", "the maximum of {them}", "the biggest of {them}",
    ),
    _does(
        "min_value", "return min({a})", lambda xs: sorted(xs)[0],
        "the smallest value in {a}", "the minimum of {a}", "the smallest number in the list", "the lowest value",
        "the minimum of the list", "the smallest number",
        "the smallest of {them}", "the minimum of {them}", "the lowest of {them}",
    ),
    _does(
        "first_item", "return {a}[0]", lambda xs: next(iter(xs)),
        "the first element", "the first item in the list", "the first value of {a}", "the first element of {a}",
    ),
    _does(
        "last_item", "return {a}[-1]", lambda xs: next(reversed(xs)),
        "the last item", "the last element in the list", "the last value of {a}", "the last element of {a}",
    ),
    _does(
        "mean", "return sum({a}) / len({a})", lambda xs: sum(xs) / sum(1 for _ in xs),
        "the average of {a}", "the mean of the numbers", "the average of a list of numbers", "the mean value of {a}",
        "the average value", "the average of all values in the list",
        "the average of {them}", "the mean of {them}", "Average {them}",
    ),
    _does(
        "spread", "return max({a}) - min({a})", lambda xs: sorted(xs)[-1] - sorted(xs)[0],
        "the difference between the largest and the smallest number", "the range of the values in {a}",
        "the difference between max and min",
    ),
    _does(
        "without_first", "return {a}[1:]", lambda xs: [xs[i] for i in range(1, len(xs))],
        "the list without its first element", "everything but the first item", "Remove the first element of {a}",
    ),
    _does(
        "without_last", "return {a}[:-1]", lambda xs: [xs[i] for i in range(len(xs) - 1)],
        "the list without its last element", "everything but the last item", "Remove the last element of {a}",
    ),
)  # fmt: skip

_NUMBER = (
    _does(
        "is_even", "return {a} % 2 == 0", lambda n: not n & 1,
        "whether {a} is an even number", "whether the number is even", "whether a number is even",
        "whether {a} can be divided by 2",
    ),
    _does(
        "is_odd", "return {a} % 2 == 1", lambda n: bool(n & 1),
        "whether {a} is odd", "whether the number is odd", "whether a number is odd", "whether {a} is an odd number",
    ),
    _does(
        "is_positive", "return {a} > 0", lambda n: not n <= 0,
        "whether {a} is positive", "whether the number is positive", "whether {a} is greater than zero",
    ),
    _does(
        "is_negative", "return {a} < 0", lambda n: not n >= 0,
        "whether {a} is negative", "whether the number is negative", "whether {a} is less than zero",
    ),
    _does(
        "squared", "return {a} * {a}", lambda n: n**2,
        "{a} squared", "Square {a}", "Square a number", "Square the number", "the square of a number",
        "the square of the number {a}", "{a} times itself",
    ),
    _does(
        "cube", "return {a} ** 3", lambda n: n * n * n,
        "{a} cubed", "the cube of {a}", "Cube the number", "the cube of a number",
    ),
    _does(
        "double", "return 2 * {a}", lambda n: n + n,
        "twice {a}", "Double {a}", "Double the number", "{a} times two", "two times {a}",
    ),
    _does(
        "absolute_value", "return abs({a})", lambda n: max(n, -n),
        "the absolute value of a number", "{a} without its sign", "the absolute value of the number {a}",
        "the distance of {a} from zero",
    ),
    _does(
        "negate", "return -{a}", lambda n: 0 - n,
        "the negative of {a}", "Negate the number", "{a} with the opposite sign", "Flip the sign of {a}",
    ),
    _does(
        "add_one", "return {a} + 1", lambda n: 1 + n,
        "{a} plus one", "Add 1 to {a}", "Add one to the number", "the next number after {a}",
    ),
    _does(
        "sign", "if {a} > 0:\n    return 1\nif {a} < 0:\n    return -1\nreturn 0", lambda n: (n > 0) - (n < 0),
        "the sign of {a}: 1, -1 or 0", "1 for positive, -1 for negative and 0 for zero",
    ),
    _does(
        "to_string", "return str({a})", lambda n: f"{n}",
        "{a} as a string", "Convert the number to a string", "Turn {a} into text",
    ),
)  # fmt: skip

_COUNT = (
    _does(
        "fact", "result = 1\nfor i in range(2, {a} + 1):\n    result *= i\nreturn result",
        lambda n: prod(range(1, n + 1)),
        "{a} factorial", "the factorial of a number", "the factorial of the number {a}",
        "the product of the numbers from 1 to {a}", "Multiply all numbers from 1 to {a}",
        "the factorial of {a}, as a product", "the factorial of the given number",
        "Calculate the factorial of a number", "the factorial function of {a}",
    ),
    _does(
        "sum_up_to", "return sum(range(1, {a} + 1))", lambda n: n * (n + 1) // 2,
        "the sum of all numbers from 1 to {a}", "Add up the numbers from 1 to {a}", "the sum of 1 to {a}",
        "Sum the integers from 1 to {a}", "the sum of the first {a} numbers",
    ),
    _does(
        "count_up", "return list(range(1, {a} + 1))", lambda n: [i + 1 for i in range(n)],
        "the numbers from 1 to {a}", "a list of the numbers from 1 to {a}", "Count from 1 to {a}",
    ),
    _does(
        "count_down", "return list(range({a}, 0, -1))", lambda n: [n - i for i in range(n)],
        "the numbers from {a} down to 1", "Count down from {a} to 1", "a list that counts down from {a}",
    ),
    _does(
        "is_prime", "return {a} > 1 and all({a} % i != 0 for i in range(2, {a}))",
        lambda n: sum(n % i == 0 for i in range(1, n + 1)) == 2,
        "whether {a} is prime", "whether {a} is a prime number", "whether the number is prime",
    ),
    _does(
        "fib", "x, y = 0, 1\nfor i in range({a}):\n    x, y = y, x + y\nreturn x",
        lambda n: 0 if n == 0 else _fibonacci(n),
        "the {a}-th Fibonacci number", "Fibonacci number {a}", "the Fibonacci number at position {a}",
    ),
    _does(
        "divisors", "return [i for i in range(1, {a} + 1) if {a} % i == 0]",
        lambda n: [i for i in range(1, n + 1) if n // i * i == n],
        "the divisors of {a}", "all divisors of {a}", "a list of the divisors of the number",
    ),
)  # fmt: skip


def _fibonacci(n: int) -> int:
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


_TWO = (
    _does(
        "plus", "return {a} + {b}", lambda x, y: x - -y,
        "{a} plus {b}", "Add {a} and {b}", "the sum of two numbers", "Add {b} to {a}", "Add the two numbers together",
        "the sum of {a} and {b}", "Add two values and return the result",
    ),
    _does(
        "minus", "return {a} - {b}", lambda x, y: x + -y,
        "{a} minus {b}", "Subtract {b} from {a}", "the difference of two numbers", "the difference of {a} and {b}",
    ),
    _does(
        "times", "return {a} * {b}", lambda x, y: sum([x] * y) if y > 0 else -sum([x] * -y),
        "{a} times {b}", "Multiply {a} and {b}", "the product of two numbers", "the product of {a} and {b}",
        "Multiply two numbers", "Multiply the two values",
        "Multiply {a} with {b}", "Multiply {b} by {a}", "the result of {a} times {b}",
    ),
    _does(
        "bigger", "return max({a}, {b})", lambda x, y: x if x > y else y,
        "the bigger of {a} and {b}", "the larger of two numbers", "the maximum of {a} and {b}",
        "the larger number of the two", "the greater of {a} and {b}",
    ),
    _does(
        "smaller", "return min({a}, {b})", lambda x, y: x if x < y else y,
        "the smaller of {a} and {b}", "the smaller of two numbers", "the minimum of {a} and {b}",
    ),
    _does(
        "equal", "return {a} == {b}", lambda x, y: not x - y,
        "whether {a} equals {b}", "whether {a} and {b} are equal", "whether the two numbers are the same",
    ),
    _does(
        "is_greater", "return {a} > {b}", lambda x, y: not x <= y,
        "whether {a} is greater than {b}", "whether {a} is larger than {b}", "whether the first number is bigger",
    ),
    _does(
        "difference", "return abs({a} - {b})", lambda x, y: max(x, y) - min(x, y),
        "the absolute difference of {a} and {b}", "how far {a} and {b} are apart", "the distance between {a} and {b}",
    ),
    _does(
        "middle", "return ({a} + {b}) / 2", lambda x, y: (x + y) * 0.5,
        "the average of {a} and {b}", "the mean of two numbers", "the number halfway between {a} and {b}",
    ),
    _does(
        "swap", "return {b}, {a}", lambda x, y: (y, x),
        "{b} and {a}, swapped", "Swap {a} and {b}", "the two values in reverse order",
    ),
)  # fmt: skip

_TEXT = (
    _does(
        "reverse_text", "return {a}[::-1]", lambda s: "".join(reversed(s)),
        "{a} reversed", "Reverse the string", "Reverse {a}", "the string backwards", "a reversed copy of the text",
        "the reverse of a string", "the characters of {a} in reverse order",
    ),
    _does(
        "palindrome", "return {a} == {a}[::-1]", lambda s: all(s[i] == s[-1 - i] for i in range(len(s))),
        "whether the string is a palindrome", "whether {a} reads the same backwards", "whether a word is a palindrome",
        "whether {a} is the same forwards and backwards",
    ),
    _does(
        "vowels", 'return sum(1 for c in {a} if c in "aeiou")', lambda s: sum(s.count(c) for c in "aeiou"),
        "the number of vowels in {a}", "Count the vowels in the string", "how many vowels {a} has",
        "Count how many vowels are in the text", "Count the vowels of a word",
    ),
    _does(
        "upper", "return {a}.upper()", lambda s: "".join(c.upper() for c in s),
        "{a} in upper case", "Convert the string to upper case", "Make {a} uppercase", "the text in capital letters",
        "Convert {a} to capital letters", "{a} in uppercase",
    ),
    _does(
        "lower", "return {a}.lower()", lambda s: "".join(c.lower() for c in s),
        "{a} in lower case", "Convert the string to lower case", "Make {a} lowercase", "the text in small letters",
        "Convert {a} to lowercase",
    ),
    _does(
        "text_length", "return len({a})", lambda s: sum(1 for _ in s),
        "the length of the string", "how many characters {a} has", "the number of characters in {a}",
        "Count the characters of {a}",
    ),
    _does(
        "word_count", "return len({a}.split())", lambda s: sum(1 for w in s.split() if w),
        "the number of words in {a}", "Count the words in the string", "how many words {a} has",
        "how many words there are in the text", "Count how many words are in {a}",
        "Count the words in {a}", "Count the words of a sentence", "the number of words in a text",
        "the word count of {a}",
    ),
    _does(
        "split_words", "return {a}.split()", lambda s: [w for w in s.replace("\t", " ").split(" ") if w],
        "the words of {a}", "Split {a} into words", "a list of the words in the text", "Split the string at spaces",
    ),
    _does(
        "no_spaces", 'return {a}.replace(" ", "")', lambda s: "".join(c for c in s if c != " "),
        "{a} without spaces", "Remove all spaces from {a}", "Remove the spaces in the string",
    ),
    _does(
        "strip_text", "return {a}.strip()", lambda s: s.lstrip().rstrip(),
        "{a} without spaces at its ends", "Remove leading and trailing spaces", "Strip the whitespace around {a}",
    ),
    _does(
        "repeat_twice", "return {a} + {a}", lambda s: "".join([s, s]),
        "{a} twice", "Repeat the string twice", "the string repeated two times", "{a} followed by itself",
    ),
    _does(
        "title_case", "return {a}.capitalize()", lambda s: s[:1].upper() + s[1:].lower(),
        "{a} with its first letter in upper case", "Capitalize the string", "Capitalize the first letter of {a}",
    ),
    _does(
        "greet", 'return "Hello, " + {a} + "!"', lambda s: f"Hello, {s}!",
        "a greeting for {a}", "Say hello to {a}", "a hello message for the given name", "Greet a person by name",
    ),
)  # fmt: skip

_WORDS = (
    _does(
        "longest", "return max({a}, key=len)", lambda ws: next(w for w in ws if len(w) == max(map(len, ws))),
        "the longest word", "the longest string in {a}", "the word with the most letters", "the longest word in {a}",
        "the longest word of the list", "the longest of the words",
    ),
    _does(
        "shortest", "return min({a}, key=len)", lambda ws: next(w for w in ws if len(w) == min(map(len, ws))),
        "the shortest word", "the shortest string in {a}", "the word with the fewest letters", "the shortest of {a}",
    ),
    _does(
        "word_lengths", "return [len(w) for w in {a}]", lambda ws: list(map(len, ws)),
        "the lengths of the words", "the length of each word in {a}", "a list of word lengths",
        "how long each string is", "a list of the lengths of all words", "the length of every word in the list",
    ),
    _does(
        "join_words", 'return " ".join({a})', lambda ws: "".join(f" {w}" for w in ws)[1:],
        "the words joined by spaces", "Join the words with spaces", "Join {a} into one string",
        "a sentence of the words",
    ),
    _does(
        "upper_all", "return [w.upper() for w in {a}]", lambda ws: [str.upper(w) for w in ws],
        "the words in upper case", "Make every word uppercase", "Convert each string to upper case",
    ),
    _does(
        "sort_words", "return sorted({a})", lambda ws: sorted(ws, reverse=True)[::-1],
        "the words in alphabetical order", "Sort the words alphabetically", "Sort the strings in {a}",
    ),
)  # fmt: skip

_MEMBER = (
    _does(
        "has_item", "return {b} in {a}", lambda xs, x: xs.count(x) > 0,
        "whether {b} is one of {a}", "whether the list contains {b}", "whether {a} contains {b}",
        "whether {b} occurs in {a}",
        "whether a value is in the list",
        "whether {b} can be found in {a}", "whether {b} is an element of {a}",
    ),
    _does(
        "count_item", "return {a}.count({b})", lambda xs, x: sum(1 for y in xs if y == x),
        "how often {b} occurs in {a}", "Count how many times {b} is in the list", "the number of times {b} appears",
    ),
    _does(
        "append_item", "return {a} + [{b}]", lambda xs, x: [*xs, x],
        "{a} with {b} at its end", "Add {b} to the end of the list", "the list with {b} appended",
    ),
    _does(
        "remove_item", "return [v for v in {a} if v != {b}]", lambda xs, x: [y for y in xs if y - x],
        "the list without {b}", "Remove {b} from the list", "Remove every {b} from {a}",
        "Drop all values equal to {b}",
    ),
    _does(
        "above", "return [v for v in {a} if v > {b}]", lambda xs, x: [y for y in xs if not y <= x],
        "the numbers greater than {b}", "all values above {b}", "Keep the numbers larger than {b}",
    ),
    _does(
        "below", "return [v for v in {a} if v < {b}]", lambda xs, x: [y for y in xs if not y >= x],
        "the numbers less than {b}", "all values below {b}", "Keep the numbers smaller than {b}",
    ),
    _does(
        "multiply_all", "return [v * {b} for v in {a}]", lambda xs, x: [x * y for y in xs],
        "every number multiplied by {b}", "Multiply each number in the list by {b}", "{b} times each value",
    ),
    _does(
        "add_to_all", "return [v + {b} for v in {a}]", lambda xs, x: [x + y for y in xs],
        "every number plus {b}", "Add {b} to each number in the list", "Add {b} to all values in {a}",
    ),
)  # fmt: skip

_LETTER = (
    _does(
        "count_letter", "return {a}.count({b})", lambda s, c: len(s.split(c)) - 1,
        "how often {b} occurs in {a}", "Count how many times {b} appears in {a}", "the number of times {b} is in {a}",
        "Count the occurrences of {b} in the string", "how many times the letter {b} occurs",
        "Count how often {b} occurs in {a}", "Count the {b}s in {a}",
    ),
    _does(
        "has_letter", "return {b} in {a}", lambda s, c: s.find(c) >= 0,
        "whether {a} contains {b}", "whether the letter {b} is in {a}", "whether {b} occurs in the string",
    ),
    _does(
        "remove_letter", 'return {a}.replace({b}, "")', lambda s, c: "".join(s.split(c)),
        "{a} without {b}", "Remove {b} from the string", "Remove every {b} in {a}",
    ),
    _does(
        "starts", "return {a}.startswith({b})", lambda s, c: s[: len(c)] == c,
        "whether {a} starts with {b}", "whether the string begins with {b}", "whether {b} is at the start of {a}",
    ),
    _does(
        "ends", "return {a}.endswith({b})", lambda s, c: s[len(s) - len(c) :] == c,
        "whether {a} ends with {b}", "whether the string ends in {b}", "whether {b} is at the end of {a}",
    ),
    _does(
        "concat", "return {a} + {b}", lambda s, c: f"{s}{c}",
        "{a} followed by {b}", "Join {a} and {b}", "Put {a} and {b} together", "the two strings joined",
    ),
)  # fmt: skip

_VERBS = ("get", "find", "my", "do", "compute")

FAMILIES: tuple[Family, ...] = tuple(
    Family(name, (parts,), kinds, _write, _VERBS, frames="everyday")
    for name, parts, kinds in (
        ("everyday_list", _LIST, ("list",)),
        ("everyday_each", _EACH, ("list",)),
        ("everyday_whether", _WHETHER, ("list",)),
        ("everyday_some", _SOME, ("some",)),
        ("everyday_number", _NUMBER, ("any_number",)),
        ("everyday_count", _COUNT, ("small",)),
        ("everyday_two", _TWO, ("any_number", "any_number")),
        ("everyday_text", _TEXT, ("string",)),
        ("everyday_words", _WORDS, ("some_words",)),
        ("everyday_member", _MEMBER, ("list", "member")),
        ("everyday_letter", _LETTER, ("string", "letter")),
    )
)
