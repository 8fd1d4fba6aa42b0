import pytest
from visitor_board.messages import MESSAGE_MAX, NAME_MAX, draft, is_posted, new_posted


def test_keys_sort_by_time_and_differ() -> None:
    keys = [new_posted() for _ in range(1000)]
    assert [key[:26] for key in keys] == sorted(key[:26] for key in keys)
    assert len(set(keys)) == 1000
    assert all(is_posted(key) for key in keys)


KEY = "2026-11-20T10:00:00.000000Z-0123456789abcdef"


@pytest.mark.parametrize("text", ["", "~", KEY[:10], KEY.upper(), KEY + "\n", KEY + "0"])
def test_other_texts_are_no_keys(text: str) -> None:
    assert is_posted(KEY)
    assert not is_posted(text)


def test_a_good_draft_keeps_its_words() -> None:
    typed = draft(" Ann  Lee ", "one\r\ntwo <b>&amp; 🙂\n")
    assert (typed.name, typed.message, typed.mistakes) == ("Ann Lee", "one\ntwo <b>&amp; 🙂", {})


@pytest.mark.parametrize("empty", ["", "  \n ", "\u202e\x00", "\ud800", "\u200b \ufeff", None, 7, ["a"]])
def test_what_shows_nothing_is_empty(empty: object) -> None:
    assert set(draft(empty, empty).mistakes) == {"name", "message"}


def test_lengths_are_counted_in_characters() -> None:
    assert not draft("🙂" * NAME_MAX, "é" * MESSAGE_MAX).mistakes
    typed = draft("a" * (NAME_MAX + 1), "b" * (MESSAGE_MAX + 1))
    assert typed.mistakes == {
        "name": "At most 40 characters, please; this has 41.",
        "message": "At most 500 characters, please; this has 501.",
    }
    assert len(typed.message) == MESSAGE_MAX + 1


def test_marks_that_hide_or_reverse_text_are_taken_out() -> None:
    typed = draft("A\u202enn\x1b[31m", "a\x00b\u2066c\ud800\td")
    assert (typed.name, typed.message) == ("Ann[31m", "abc d")
