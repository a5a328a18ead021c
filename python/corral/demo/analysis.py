"""The analyses themselves: pure functions from a text to what JSON can hold."""

import re
from collections import Counter
from itertools import islice

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
WORDS_READ_A_MINUTE = 230


def words_of(text: str) -> list[str]:
    """The words of a text in their order, lower case."""
    return [match.group().lower() for match in WORD.finditer(text)]


def count(text: str) -> dict:
    """Characters, words, lines and sentences of a text, and what stands out."""
    words = words_of(text)
    lines = text.splitlines()
    return {
        "characters": len(text),
        "words": len(words),
        "distinct_words": len(set(words)),
        "lines": len(lines),
        "sentences": len(SENTENCE_END.findall(text)),
        "reading_s": round(len(words) * 60 / WORDS_READ_A_MINUTE),
        "reading_min": round(len(words) / WORDS_READ_A_MINUTE),
        "longest_word": max(words, key=len, default="")[:80],
        "longest_line": max(map(len, lines), default=0),
    }


def frequent_words(text: str, limit: int = 20, letters_min: int = 4) -> dict:
    """The most frequent words of at least `letters_min` letters (shorter ones say little)."""
    counts = Counter(word for word in words_of(text) if len(word) >= letters_min)
    return {
        "words": [{"word": word, "count": times} for word, times in _most(counts, limit)],
        "letters_min": letters_min,
        "distinct": len(counts),
        "once": sum(1 for times in counts.values() if times == 1),
    }


def phrases(text: str, limit: int = 6) -> dict:
    """The most repeated runs of two to five words."""
    words = words_of(text)
    found = []
    for length in (2, 3, 4, 5):
        runs = Counter(zip(*(islice(words, start, None) for start in range(length)), strict=False))
        repeated = Counter({run: times for run, times in runs.items() if times > 1})
        top = [{"phrase": " ".join(run), "count": n} for run, n in _most(repeated, limit)]
        found.append({"length": length, "repeated": len(repeated), "phrases": top})
    return {"lengths": found}


def look_alikes(text: str, words_max: int = 1800, letters_min: int = 5, limit: int = 24) -> dict:
    """Pairs of different words that are at most two letters apart: misspellings and relatives.

    Compares every word with every other of about its length, in plain Python: seconds of work
    for one processor when the text is long.
    """
    counts = Counter(word for word in words_of(text) if len(word) >= letters_min)
    words = sorted(
        (word for word, _ in _most(counts, words_max)), key=lambda word: (len(word), word)
    )
    pairs, compared = [], 0
    for index, first in enumerate(words):
        for second in islice(words, index + 1, None):
            if len(second) - len(first) > 1:
                break
            compared += 1
            distance = edit_distance(first, second, most=2)
            if distance is not None:
                pairs.append((distance / len(second), first, second, distance))
    pairs.sort()
    top = [{"first": a, "second": b, "distance": d} for _, a, b, d in pairs[:limit]]
    return {"words": len(words), "compared": compared, "found": len(pairs), "pairs": top}


def edit_distance(first: str, second: str, most: int) -> int | None:
    """Levenshtein's distance, or None when it is above `most`."""
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, start=1):
        current = [row]
        for column, other in enumerate(second, start=1):
            change = above[column - 1] + (letter != other)
            current.append(min(above[column] + 1, current[column - 1] + 1, change))
        if min(current) > most:
            return None
        above = current
    return above[-1] if above[-1] <= most else None


def _most(counts: Counter, limit: int) -> list:
    """The most common entries; equal counts in alphabetical order, so that runs agree."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
