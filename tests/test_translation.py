"""Translations of the lessons: the catalogs are complete and intact, and a change of the English text is noticed."""

import dataclasses

import pytest

from lessons import catalog, translation
from lessons.__main__ import main
from lessons.translation import Entry, Translation
from minigooglenet.errors import UserError

LESSONS = {lesson.topic: lesson for lesson in catalog.lessons()}


def entries(language):
    return list(translation.read((translation.FOLDER / f"{language}.po").read_text(encoding="utf-8")))


@pytest.mark.parametrize("language", translation.languages())
def test_a_catalog_has_every_text_of_its_lessons(language):
    known = {translation.key(entry.text): entry for entry in entries(language)}
    topics = {entry.where for entry in known.values()} - {translation.BOOK}
    wanted = translation.texts_of_the_book() + [text for topic in topics for text in translation.texts(LESSONS[topic])]
    missing = [text for text in wanted if translation.key(text) not in known]
    assert not missing, f"run: python -m lessons translate {language}"
    assert all(entry.translated for entry in known.values())
    review = [entry for entry in known.values() if entry.fuzzy]  # changed English texts, until somebody reviews them
    assert len(review) <= len(known) / 10, "too many texts have changed since they were translated"


@pytest.mark.parametrize("language", translation.languages())
def test_code_links_placeholders_and_lesson_numbers_are_kept(language):
    assert [(entry.text[:60], kept) for entry in entries(language) if (kept := translation.damaged(entry))] == []


def test_the_chinese_edition_has_two_lessons():
    t = translation.load("zh")
    for topic in ("convolution", "pooling"):
        for cell in LESSONS[topic].source():
            text = t.markdown(cell.text) if cell.kind == "markdown" else t.code(cell.text)
            if cell.kind == "markdown":
                assert any("\u4e00" <= letter <= "\u9fff" for letter in text) or cell.text.startswith("    "), cell.text
            elif catalog.questions(cell.text):
                assert text != cell.text and catalog.questions(text).keys() == catalog.questions(cell.text).keys()
                assert compile(text, topic, "exec").co_names == compile(cell.text, topic, "exec").co_names
    assert t.markdown("# 02. What is a convolution, and is it a matrix product?").startswith("# 02. 什么是卷积")


def test_line_breaks_do_not_matter_and_unknown_texts_stay():
    t = Translation("xx", [Entry("one two\nthree", "eins"), Entry("old", "alt", fuzzy=True)])
    assert t("one\ntwo three") == "eins" and t("old") == "old" and t("other") == "other"
    assert t.markdown("## one two three\n\nother\n\none two three") == "## eins\n\nother\n\neins"


def test_a_catalog_is_read_as_it_was_written():
    original = [Entry('say "a\\b"\nand {n}', "你好\n\\n", "pooling"), Entry("x", "", "book", True)]
    assert list(translation.read(translation.written("zh", original))) == original


@pytest.mark.parametrize("line", ['msgid no quotes', '"a string alone"', "words"])
def test_a_damaged_catalog_is_reported(line):
    with pytest.raises(UserError, match="zh.po, line 1: "):
        list(translation.read(line, "zh.po"))


def test_an_update_keeps_marks_and_reports(tmp_path):
    lesson, path = LESSONS["pooling"], tmp_path / "xx.po"
    found = translation.update("xx", {"pooling": lesson}, path)
    texts = translation.texts(lesson)
    assert {entry.text for entry in found["missing"]} >= set(texts) - {""} and not found["fuzzy"] and not found["stale"]
    filled = [dataclasses.replace(entry, translated=entry.text.upper()) for entry in found["missing"]]
    filled.append(Entry("a sentence that no lesson has", "WEG", "pooling"))
    changed = next(entry for entry in filled if entry.text.startswith("Both distribute"))
    changed.text = changed.text.replace("fixed pattern", "regular pattern")  # as if the lesson had changed since
    path.write_text(translation.written("xx", filled), encoding="utf-8")
    found = translation.update("xx", {"pooling": lesson}, path)
    assert [entry.text[:15] for entry in found["fuzzy"]] == ["Both distribute"] and not found["missing"]
    assert [entry.translated for entry in found["stale"]] == ["WEG"]


def test_a_lesson_is_printed_in_its_language(capsys):
    from lessons import run
    lesson = LESSONS["pooling"]
    for cell in lesson.source()[:3]:
        run._print(cell, translation.load("zh"))
    printed = capsys.readouterr().out
    assert "# 06. 为什么池化的梯度会重叠？" in printed and "guess_tie = None" in printed and "How many" not in printed
    assert "y[i, j] = 所有 u、v 中最大的 x[i·S + u - P" in printed


def test_unknown_languages_take_one_line(capsys):
    assert main(["7", "--language", "xx"]) == 2
    assert capsys.readouterr().err == "lessons: language xx: no such catalog; choose from en, zh\n"
    assert main(["translate", "../x"]) == 2
    assert "not the code of a language" in capsys.readouterr().err
