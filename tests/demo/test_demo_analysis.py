"""The analyses on texts whose answers are known."""

import json

import pytest

from corral.demo import analysis, columns

POEM = "Tick tock, tick tock.\nThe clock's tick-tock stops. Does it?\n"


def test_words_are_letters_with_apostrophes_and_hyphens():
    assert analysis.words_of(POEM) == [
        *("tick", "tock", "tick", "tock", "the", "clock's", "tick-tock", "stops", "does", "it")
    ]
    assert analysis.words_of("Straße 42 naïve_x été\u2019s") == [
        *("straße", "naïve", "x", "été\u2019s")
    ]


def test_count():
    assert analysis.count(POEM) == {
        "characters": 60,
        "words": 10,
        "distinct_words": 8,
        "lines": 2,
        "sentences": 3,
        "reading_s": 3,
        "reading_min": 0,
        "longest_word": "tick-tock",
        "longest_line": 37,
    }


def test_count_of_a_text_without_words():
    counted = analysis.count("42\n")
    assert (counted["words"], counted["longest_word"], counted["lines"]) == (0, "", 1)


def test_frequent_words_leave_short_ones_out_and_break_ties_by_the_alphabet():
    found = analysis.frequent_words("bbbb aaaa bbbb aaaa the the the cccc", limit=2)
    assert found == {
        "words": [{"word": "aaaa", "count": 2}, {"word": "bbbb", "count": 2}],
        "letters_min": 4,
        "distinct": 3,
        "once": 1,
    }


def test_phrases_count_runs_of_two_to_five_words():
    two, three, four, five = analysis.phrases("one two three one two three one")["lengths"]
    assert two["phrases"][0] == {"phrase": "one two", "count": 2}
    assert two["repeated"] == 3
    assert three["phrases"][0]["phrase"] == "one two three"
    assert four["phrases"] == [{"phrase": "one two three one", "count": 2}]
    assert five == {"length": 5, "repeated": 0, "phrases": []}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("kitten", "kitten", 0),
        ("kitten", "mitten", 1),
        ("kitten", "kittens", 1),
        ("implicit", "explicit", 2),
        ("kitten", "sitting", None),
        ("abc", "", None),
        ("ab", "", 2),
    ],
)
def test_edit_distance_up_to_two(first, second, expected):
    assert analysis.edit_distance(first, second, most=2) == expected


def test_look_alikes_come_nearest_first():
    found = analysis.look_alikes("explicit implicit explicit separate seperate banana")
    assert [(p["first"], p["second"], p["distance"]) for p in found["pairs"]] == [
        ("separate", "seperate", 1),
        ("explicit", "implicit", 2),
    ]
    assert (found["words"], found["found"]) == (5, 2)


def test_look_alikes_are_bounded():
    text = " ".join(f"{a}{b}{c}xyz" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh")
    found = analysis.look_alikes(text, words_max=50)
    assert found["words"] == 50
    assert found["compared"] == 50 * 49 // 2
    assert len(found["pairs"]) == 24


TABLE = "name,height,born,note\nAnna,1.72,1990-02-03,\nBen,1.8,1985-12-24,x\nCleo,1.6,2001-01-01,\n"


def test_columns_are_described_by_their_type():
    found = columns.describe_columns(TABLE)
    assert (found["rows"], found["columns"], found["delimiter"]) == (3, 4, ",")
    name, height, born, note = found["described"]
    assert (name["type"], name["least"], name["greatest"]) == ("text", "Anna", "Cleo")
    assert height == {
        "name": "height",
        "type": "number",
        "filled": 3,
        "empty": 0,
        "distinct": 3,
        "common": [{"value": v, "count": 1} for v in ("1.6", "1.72", "1.8")],
        "least": 1.6,
        "greatest": 1.8,
        "mean": 1.70667,
        "median": 1.72,
    }
    assert (born["type"], born["least"], born["greatest"]) == ("date", "1985-12-24", "2001-01-01")
    assert (note["type"], note["filled"], note["empty"]) == ("text", 1, 2)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2\n1,6;3\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ('a,b\n"x;y;z",2\n', ","),
        ("only\none\ncolumn\n", ","),
    ],
)
def test_the_delimiter_is_found(text, delimiter):
    assert columns.find_delimiter(text) == delimiter


def test_decimal_commas_where_semicolons_delimit():
    (price,) = (c for c in columns.describe_columns("x;price\na;1,5\nb;2,5\n")["described"][1:])
    assert (price["type"], price["mean"]) == ("number", 2)


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "1e999"])
def test_what_json_has_no_number_for_is_text(cell):
    found = columns.describe_columns(f"x\n1\n{cell}\n")
    assert found["described"][0]["type"] == "text"
    json.dumps(found, allow_nan=False)


def test_dates_with_and_without_a_zone_are_text():
    found = columns.describe_columns("when\n2024-01-01T10:00\n2024-01-01T10:00+02:00\n")
    assert found["described"][0]["type"] == "text"


def test_uneven_rows_and_too_many_columns():
    header = ",".join(f"c{number}" for number in range(100))
    found = columns.describe_columns(f"{header}\n1,2\n")
    assert (found["columns"], len(found["described"]), found["uneven_rows"]) == (100, 60, 1)


def test_nothing_but_a_header():
    found = columns.describe_columns("a,b\n")
    assert (found["rows"], found["described"][0]["type"]) == (0, "empty")


def test_an_open_quote_names_its_line():
    with pytest.raises(columns.BrokenTable, match=r"line \d+: field larger than field limit"):
        columns.describe_columns('a,b\n1,"' + "x\n" * 100_000)
