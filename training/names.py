"""Makes column and file names in the spellings of real files, and the ways in which people refer to them."""

from dataclasses import dataclass, field

from . import words as w

CONSONANTS = "bcdfghjklmnprstvwz"
VOWELS = "aeiou"


@dataclass
class Name:
    """A name as it stands in a file, and the plain words behind it."""

    text: str
    words: list = field(default_factory=list)

    @property
    def spoken(self):
        """The name as somebody would say it."""
        return " ".join(self.words)


class Pools:
    """The words of one side: those of training, or those held out for evaluation.

    Questions are English without a `language`, in wordings of the same side, or in those that stand `apart`.
    """

    def __init__(self, evaluation, pieces=(), language=None, apart=False):
        assert evaluation or not apart, "wordings that stand apart are for evaluation"
        self.language, self.apart = language, apart
        self.pieces = list(pieces)
        self.invented = 0.25 if pieces else 0.2
        part = lambda words: w.split(words, evaluation)
        self.evaluation = evaluation
        self.measures, self.modifiers = part(w.MEASURES), part(w.MODIFIERS)
        self.categories, self.entities = part(w.CATEGORIES), part(w.ENTITIES)
        self.stems = [s for s in part(w.STEMS) if s not in w.PUBLIC_STEMS]
        self.values = [part(pool) for pool in w.POOLS]
        self.values = [pool for pool in self.values if len(pool) >= 3]
        self.sets = [s for s in w.SETS if w.held_out(s[0]) == evaluation]

    def invent(self, rng, low=2, high=3):
        """A word that does not exist: of syllables, or of pieces of the tokenizer, so that every token is met in names."""
        if not self.pieces or rng.random() < 0.4:
            return syllables(rng, low, high)
        return "".join(rng.choice(self.pieces) for _ in range(rng.choice([1, 1, 2, 2, 3])))


def syllables(rng, low=2, high=3):
    """An invented word, like `patek` or `luvori`."""
    text = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(low, high)))
    return text + (rng.choice(CONSONANTS) if rng.random() < 0.5 else "")


def style_of_table(rng):
    """How the columns of one table are spelled."""
    styles = ["snake", "title", "camel", "lower", "upper", "pascal", "capital", "dot"]
    return rng.choices(styles, [38, 16, 12, 12, 7, 6, 6, 3])[0]


def spell(parts, style):
    """Joins words in a style."""
    if style == "snake":
        return "_".join(parts)
    if style == "title":
        return " ".join(p.capitalize() for p in parts)
    if style == "camel":
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    if style == "pascal":
        return "".join(p.capitalize() for p in parts)
    if style == "upper":
        return "_".join(p.upper() for p in parts)
    if style == "capital":
        return " ".join(parts).capitalize()
    return (" " if style == "lower" else ".").join(parts)


def with_unit(rng, text, words, style):
    """Adds a unit to the name of a measure: `weight_kg`, `Price (EUR)`."""
    units = w.UNITS.get(words[-1])
    if not units or rng.random() > 0.35:
        return text
    unit = rng.choice(units)
    if style in ("snake", "upper", "dot") and unit != "%":
        return text + ("." if style == "dot" else "_") + (unit.upper() if style == "upper" else unit.lower())
    return f"{text} ({unit})" if style not in ("camel", "pascal") or unit == "%" else text + unit.capitalize()


def shorten(rng, words, chance=0.3):
    """Writes some words in their short form: a usual one, or just the beginning of a long word."""
    short = []
    for word in words:
        if word in w.SHORT and rng.random() < chance:
            word = w.SHORT[word]
        elif len(word) >= 7 and rng.random() < 0.1:
            word = word[: rng.choice([3, 4, 4, 5])]
        short.append(word)
    return short


def sibling(rng, pools, before):
    """Words that share one with a column before: `inner width` beside `outer width` or `inner depth`."""
    first, last = rng.choice(before)
    if rng.random() < 0.5:
        return [rng.choice(pools.modifiers), last]
    return [first, rng.choice(pools.measures)]


def measure_words(rng, pools, before=()):
    """Words of a numeric column; `before` are those of the columns made already."""
    pairs = [words for words in before if len(words) == 2]
    if pairs and rng.random() < 0.35:
        return sibling(rng, pools, pairs)
    if rng.random() < 0.025:
        return [rng.choice("abckpqsvwxyz") + str(rng.randint(1, 9))]
    if rng.random() < pools.invented:
        return [pools.invent(rng) for _ in range(1 if rng.random() < 0.65 else 2)]
    words = [rng.choice(pools.measures)]
    if rng.random() < 0.55:
        words.insert(0, rng.choice(pools.modifiers if rng.random() < 0.8 else pools.entities))
    if rng.random() < 0.06:
        words.insert(0, rng.choice(pools.modifiers))
    return words if words[0] != words[-1] or len(words) == 1 else words[-1:]


def category_words(rng, pools):
    """Words of a column with few values."""
    if rng.random() < pools.invented:
        return [pools.invent(rng) for _ in range(1 if rng.random() < 0.8 else 2)]
    words = [rng.choice(pools.categories)]
    if rng.random() < 0.3:
        words.insert(0, rng.choice(pools.entities if rng.random() < 0.5 else pools.modifiers))
    return words if words[0] != words[-1] or len(words) == 1 else words[-1:]


def column_name(rng, words, style, measure):
    """A spelled name for words, or none when it would be a column of a public table."""
    style = style if rng.random() < 0.93 else style_of_table(rng)
    text = spell(shorten(rng, words), style)
    if measure:
        text = with_unit(rng, text, words, style)
    return None if w.plain(text) in w.PUBLIC else Name(text, words)


def quote(text):
    """A name or a value as thoughts and answers write it."""
    return f'"{text}"'


def plural(word):
    """The plural of an English word, good enough for questions."""
    if word.endswith("y") and word[-2:-1] not in VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def mention(rng, name, others, many=False):
    """Refers to a column as people do: exactly, in plain words, or by its telling word alone.

    `others` are the names that stand beside it: a part of the name is used only where it fits no other column.
    """
    last = lambda words: [*words[:-1], plural(words[-1])] if many else words
    roll = rng.random()
    if roll < 0.38:
        return name.text
    if roll < 0.8 or len(name.words) == 1:
        words = [w.SYNONYMS[x][0] if x in w.SYNONYMS and rng.random() < 0.04 else x for x in name.words]
        text = " ".join(last(words) if many or rng.random() > 0.06 else [*words[:-1], plural(words[-1])])
        return text.capitalize() if rng.random() < 0.04 else text
    for word in (name.words[-1], name.words[0]):
        if not any(word in other.words for other in others if other is not name):
            return plural(word) if many and word == name.words[-1] else word
    return " ".join(last(name.words))
