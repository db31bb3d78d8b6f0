"""Made-up text: numbers, pairs of words and UUIDs to hide, and sentences from a grammar to hide them in."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Container
from typing import Literal

from hornbook.evaluate.long.haystack import Haystack
from hornbook.seeds import stream

Kind = Literal["number", "word", "uuid"]


def _words(joined: str) -> tuple[str, ...]:
    return tuple(joined.split())


# No adjective ends in another and no noun begins with another, so that no pair lies inside a different one.
ADJECTIVES = _words(
    "amber ancient bitter bold brave bright brisk broad calm careful cheerful clever cloudy copper crimson curious "
    "dainty damp distant dusty eager early empty faint famous fearless fierce floral foggy formal fragile frosty "
    "gentle giant glossy golden graceful grand grateful hasty hidden hollow honest humble hungry icy jolly keen "
    "kind lazy little lively lonely loud lucky marble merry mighty modest muddy narrow nimble noble northern orange "
    "painted pale patient plain polite proud purple quick quiet rapid rough royal rusty sacred scarlet secret "
    "shallow sharp shiny silent silver simple sleepy slender smooth snowy solemn spotted stormy striped sturdy "
    "sudden sunny swift tender thirsty tidy tiny velvet violet vivid wandering warm weary wild windy winter wise "
    "wooden yellow young"
)
NOUNS = _words(
    "acorn anchor apron arrow badger balloon banjo barrel basket beacon beetle bicycle blanket bonnet bottle bridge "
    "bucket button cabin camel candle canyon carpet castle cellar cherry chimney circle clock clover coat comet "
    "compass cottage cradle crown curtain daisy desert dolphin dragon drawer drum eagle easel elbow ember engine "
    "falcon feather fence fiddle finger flute forest fountain fox garden garlic giraffe glacier goblet goose guitar "
    "hammer harbour hedge helmet heron hill hinge honey horse island ivory jacket jewel journal jungle kettle kitten "
    "ladder lagoon lantern lemon library lizard locket lotus magnet maple market meadow mirror mitten monkey "
    "mountain mushroom napkin needle nest notebook oak ocean olive onion orchard otter owl oyster palace parrot "
    "pebble pencil penguin pepper piano pigeon pillow pirate planet pocket pond poplar puddle pumpkin puzzle quarry "
    "quilt rabbit radish raven ribbon river robin rocket saddle sailor salmon sandal saucer scarf shepherd shovel "
    "sparrow spider spoon spruce squirrel stable statue stream swan table teapot temple thimble thunder ticket tiger "
    "timber tower trumpet tulip tunnel turtle umbrella valley vase village violin wagon walnut walrus whistle "
    "willow window zebra"
)


def number(source: random.Random, digits: int = 7) -> str:
    """A number of exactly so many digits."""
    return str(source.randrange(10 ** (digits - 1), 10**digits))


def pair(source: random.Random) -> str:
    """An adjective and a noun, such as "quiet-lantern"."""
    return f"{source.choice(ADJECTIVES)}-{source.choice(NOUNS)}"


def unique_id(source: random.Random) -> str:
    """A version-4 UUID."""
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def letters(source: random.Random, count: int, alphabet: str = string.ascii_lowercase) -> str:
    """A made-up word of so many letters."""
    return "".join(source.choices(alphabet, k=count))


_DRAW: dict[Kind, Callable[[random.Random], str]] = {"number": number, "word": pair, "uuid": unique_id}


def distinct(draw: Callable[[], str], count: int, *, absent: str = "", known: Container[str] = ()) -> list[str]:
    """So many different values of `draw`, none of them in `known` or, whatever its case, within the text `absent`.

    `absent` is in lower case.
    """
    found: dict[str, None] = {}
    for _ in range(100 * count + 1000):
        if len(found) == count:
            return list(found)
        value = draw()
        if value not in known and value.lower() not in absent:
            found[value] = None
    if len(found) == count:
        return list(found)
    raise ValueError(f"{count} different values are needed, {len(found)} were found that the text does not hold")


def of_kind(kind: Kind, source: random.Random, count: int, *, absent: str, known: Container[str] = ()) -> list[str]:
    """So many different values of a kind, none of them in the text `absent` (in lower case) or in `known`."""
    return distinct(lambda: _DRAW[kind](source), count, absent=absent, known=known)


_NOISE = "The kettle is on the stove. The cat is asleep. Rain falls on the roof. Nobody is in a hurry. So it goes on.\n"


def _phrases(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(","))


_PEOPLE = _phrases(
    "the baker,the miller,the gardener,a traveller,the old teacher,the postman,her brother,his aunt,a neighbour,"
    "the captain,the youngest child,the blacksmith,a fisherman,the librarian,two sisters,the watchmaker"
)
_DEEDS = _phrases(
    "found,carried,painted,mended,forgot,described,lost,sold,bought,borrowed,measured,hid,noticed,drew,cleaned,"
    "admired,dropped,repaired,remembered,missed"
)
_WHEN = _phrases(
    "In the morning,Before supper,On market day,Years later,After the storm,One evening,At the end of the week,"
    "While it rained,Early in spring,Without a word,Late at night,When the bell rang"
)
_WHERE = _phrases(
    "behind the barn,by the river,at the station,under the stairs,near the old mill,across the square,"
    "in the attic,on the road to town,beside the well,at the edge of the wood"
)
_BECAUSE = _phrases(
    "because nobody else would,and that was that,though it was of little use,as had been agreed,to everyone's surprise,"
    "for reasons of their own,as in every other year,and spoke of it for days"
)


def noise() -> Haystack:
    """The same five sentences over and over."""
    return Haystack(_NOISE, "repeated sentences")


def prose(seed: int, characters: int) -> Haystack:
    """At least so many characters of made-up sentences in paragraphs: varied, harmless, and the same for one seed."""
    source = stream(seed, "long", "prose")
    paragraphs: list[str] = []
    total = 0
    while total < characters:
        paragraph = " ".join(_sentence(source) for _ in range(source.randrange(3, 8))) + "\n\n"
        paragraphs.append(paragraph)
        total += len(paragraph)
    return Haystack("".join(paragraphs), "made-up sentences")


def _sentence(source: random.Random) -> str:
    who, deed, where = source.choice(_PEOPLE), source.choice(_DEEDS), source.choice(_WHERE)
    thing = f"the {source.choice(ADJECTIVES)} {source.choice(NOUNS)}"
    form = source.randrange(4)
    if form == 0:
        sentence = f"{source.choice(_WHEN)}, {who} {deed} {thing} {where}."
    elif form == 1:
        sentence = f"{who} {deed} {thing} {where}, {source.choice(_BECAUSE)}."
    elif form == 2:
        sentence = f"{thing} {where} belonged to {who}, who {deed} it {source.choice(_BECAUSE)}."
    else:
        sentence = f"{source.choice(_WHEN)}, somebody {deed} {thing} and {source.choice(_DEEDS)} it again {where}."
    return sentence[0].upper() + sentence[1:]
