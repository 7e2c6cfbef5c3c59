"""Worksheets: questions and key are two files, each student has an own one, and it prints."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from handcalc.exercise import main
from handcalc.exercises.easy import EASY_TOPICS
from handcalc.exercises.reasons import REASONS
from handcalc.exercises.topics import TOPICS
from handcalc.page.layout import WIDTH
from handcalc.verification.document import read_document
from handcalc.verification.page_check import check_document
from handcalc.verify import main as verify
from parity_tests.handcalc.exercises.exercise_solver import SOLUTIONS, read_question

Capture = pytest.CaptureFixture[str]
Run = Callable[..., str]
HEADING = re.compile(r"^(?:## )?(\d+)\. ([\w-]+), level (\d) \((\d) marks?(?:, student (\d+))?\)$", re.MULTILINE)
ENDINGS = {"text": "txt", "markdown": "md", "html": "html"}
NOTE = (
    "The key is not printed. For two files, the questions and their key, add --seed {} --output NAME to this command.\n"
)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Run:
    """Return a function that prints a worksheet and returns it."""

    def printed_(*arguments: str, seed: int = 5) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert main(["--seed", str(seed), *arguments]) == 0
        out, err = capsys.readouterr()
        assert err == NOTE.format(seed)
        return out

    return printed_


def two_files(place: Path, *arguments: str, form: str = "text") -> tuple[str, str]:
    """Write a worksheet to two files, and return them."""
    assert main(["--seed", "5", *arguments, "--format", form, "--output", str(place / "sheet")]) == 0
    names = [f"sheet-questions.{ENDINGS[form]}", f"sheet-key.{ENDINGS[form]}"]
    assert sorted(path.name for path in place.iterdir()) == sorted(names)
    questions, key = ((place / name).read_text(encoding="utf-8") for name in names)
    return questions, key


def text_of(html: str) -> str:
    """Return the page as the text that it shows, so that it can be read as the text of the same worksheet."""
    body = html.partition("<body>")[2].partition("<script")[0]
    marked = re.sub(r"</(h1|h2|p|pre|div|article|section)>", "\n", body)
    return unescape(re.sub(r"<[^>]+>", "", marked))


@pytest.mark.parametrize("form", ENDINGS)
def test_questions_and_key_agree(form: str, tmp_path: Path, printed: Run, capsys: Capture) -> None:
    arguments = ("--worksheet", "27")
    sheet, key = two_files(tmp_path, *arguments, form=form)
    assert capsys.readouterr() == ("", "")
    assert printed(*arguments, "--format", form) == sheet
    if form == "html":
        sheet, key = text_of(sheet), text_of(key)
    names = HEADING.findall(sheet)
    assert names == HEADING.findall(key) and [int(number) for number, *_ in names] == list(range(1, 28))
    assert {(topic, level) for _, topic, level, *_ in names} == {(topic, level) for topic in TOPICS for level in "123"}
    exercises, answers = HEADING.split(sheet)[6::6], HEADING.split(key)[6::6]
    in_short = re.findall(r"\b(\d+): (\S+)", HEADING.split(key)[0])
    reasons = 0
    for (number, topic, level, marks, _), exercise, answer in zip(names, exercises, answers, strict=True):
        question = read_question(exercise.replace("\\", ""))
        given = re.search(r"The answer: \S+ = (\S+)", answer)
        assert given is not None and "The answer" not in exercise and given[1] not in ("", "0")
        mine, keys = Decimal(f"{SOLUTIONS[topic, int(level)](question):.10g}"), Decimal(given[1])
        assert abs(mine - keys) <= Decimal("0.51").scaleb(keys.adjusted() - 2), exercise
        assert (number, given[1]) in in_short
        asked = re.search(r"Give a reason: (.*?\?)", " ".join(exercise.replace("\\", "").split()))
        assert int(marks) == int(level) + bool(asked)
        if asked:
            (reason,) = (one for one in REASONS[topic] if one.question == asked[1])
            assert f"{reason.question} The reason: {reason.answer}" in " ".join(answer.replace("\\", "").split())
            reasons += 1
    assert reasons == 9 and "The reason" not in sheet and "mistakes" not in sheet
    assert re.search(rf"Marks.*/ {sum(int(marks) for *_, marks, _ in names)}\b", sheet) and "Name" not in key
    assert form != "text" or max(map(len, (sheet + key).splitlines())) <= WIDTH
    if form != "html":
        document = read_document(key)
        assert len(document.worked) > 60 and not check_document(document, None).findings


def test_one_topic(printed: Run) -> None:
    out = printed("--worksheet", "3", "--topic", "gelu", "--level", "2")
    assert out.count(". gelu, level 2") == 3


def test_another_text_if_the_first_has_only_a_tie(printed: Run) -> None:
    """The mean loss of "be or not", the first text of this seed, lies next to a tie."""
    out = printed("--worksheet", "1", "--topic", "cross-entropy", "--level", "3")
    assert "cross-entropy, level 3" in out and '"be or not"' not in out


def test_the_note_has_the_seed_that_was_drawn(capsys: Capture) -> None:
    assert main(["--worksheet", "1"]) == 0
    out, err = capsys.readouterr()
    drawn = re.search(r"\(seed (\d+)\)", out)
    assert drawn is not None and err == NOTE.format(drawn[1])
    assert main(["--worksheet", "1", "--seed", drawn[1]]) == 0
    assert capsys.readouterr().out == out


def test_neither_file_without_the_other(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "sheet-key.txt").mkdir()
    assert main(["--worksheet", "1", "--seed", "1", "--output", str(tmp_path / "sheet")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "sheet-key.txt" in err
    assert [path.name for path in tmp_path.iterdir()] == ["sheet-key.txt"]


def test_a_name_with_the_format_s_ending(tmp_path: Path) -> None:
    assert main(["--worksheet", "1", "--format", "html", "--output", str(tmp_path / "sheet.html")]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"sheet-questions.html", "sheet-key.html"}


@pytest.mark.parametrize("form", ENDINGS)
def test_each_student_has_an_own_worksheet(form: str, tmp_path: Path, printed: Run) -> None:
    sheet, key = two_files(tmp_path, "--worksheet", "4", "--students", "5", "--easy", form=form)
    if form == "html":
        assert sheet.count("<article>") == key.count("<article>") == 5
        sheet, key = text_of(sheet), text_of(key)
    sheets = re.split(r"A GPT by hand: 4 exercises for student (\d) \\?\(?seed (\d)\)", sheet.replace("(seed", "seed"))
    keys = re.split(r"A GPT by hand: the key to student (\d) seed (\d)\)", key.replace("(seed", "seed"))
    assert sheets[1::3] == keys[1::3] == list("12345") and sheets[2::3] == keys[2::3] == list("56789")
    assert len({re.sub(r"student \d", "", sheet) for sheet in sheets[3::3]}) == 5
    for student, own in enumerate(sheets[3::3], 1):
        assert [of for *_, of in HEADING.findall(own)] == [str(student)] * 4
    if form == "text":
        alone = printed("--worksheet", "4", "--easy", seed=8)
        assert own_part(alone) == own_part(sheets[12].replace(", student 4", ""))


def own_part(sheet: str) -> str:
    """Return a sheet without its title, and without the lines under its headings, which are as long as these."""
    return re.sub("---+", "", sheet.partition("\n\n")[2].strip())


def test_easy_worksheet(tmp_path: Path) -> None:
    sheet, key = two_files(tmp_path, "--worksheet", "21", "--easy")
    names = HEADING.findall(sheet)
    assert {topic for _, topic, *_ in names} == set(EASY_TOPICS)
    assert "The numbers are made up, small and whole." in sheet and "trained model" not in sheet
    given = re.findall(r"(?<![\w\[,])-?\d+\.\d+", sheet)
    assert set(given) <= {"0.25", "0.5", "0.75"}
    assert not check_document(read_document(key), None).findings
    assert len(re.findall(r"The answer: \S+ = -?\d+$", key, re.MULTILINE)) > 6


def test_homework_is_still_marked(tmp_path: Path, capsys: Capture) -> None:
    """The key's working, as a student would hand it in, is right; with one digit changed, that line is wrong."""
    key = two_files(tmp_path, "--worksheet", "9")[1]
    assert verify([str(tmp_path / "sheet-key.txt")]) == 0
    worked = [line for line in key.splitlines() if re.search(r"\w\] = .+ = -?[\d.e-]+$", line)]
    homework = tmp_path / "homework.txt"
    homework.write_text(re.sub(r"[1-8]$", lambda last: str(int(last[0]) + 1), worked[1]) + "\n" + worked[0] + "\n")
    assert verify([str(homework)]) == 1
    assert "1 of 2 worked lines are right" in capsys.readouterr().out


def test_html_is_one_file(tmp_path: Path) -> None:
    for page in two_files(tmp_path, "--worksheet", "3", form="html"):
        assert page.startswith("<!doctype html>") and "default-src 'none'" in page
        assert not re.search(r"<(link|img|iframe)|\bsrc=|url\(|@import|https?://", page)


def test_print(browser: Any, tmp_path: Path) -> None:
    """On paper: each student begins a page, no exercise is cut, and there is room for name, date, marks and working."""
    sheet, key = two_files(tmp_path, "--worksheet", "6", "--students", "2", "--easy", form="html")
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.set_content(sheet)
    page.emulate_media(media="print")
    assert requests == []
    styles = """query => [...document.querySelectorAll(query)].map(one => {
        const style = getComputedStyle(one);
        return [style.breakBefore, style.breakInside, one.getBoundingClientRect().height]})"""
    assert [before for before, *_ in page.evaluate(styles, "article")] == ["auto", "page"]
    assert {inside for _, inside, _ in page.evaluate(styles, "section")} == {"avoid"}
    heights = [height for *_, height in page.evaluate(styles, ".space")]
    assert len(heights) == 2 * (6 + 2) and min(heights) >= 3 * 7 * 96 / 25.4  # pixels: lines of 7 mm at least
    assert page.locator(".form").all_inner_texts()[0].split() == ["Name", "Date", "Marks", "/", "14"]
    paper = page.evaluate("[...document.querySelectorAll('pre')].map(one => one.scrollWidth - one.clientWidth)")
    assert set(paper) == {0}
    pages = page.pdf(format="A4").count(b"/Type /Page\n")
    assert 2 * 2 <= pages <= 2 * 6
    page.set_content(key)
    assert page.locator(".space, .form").count() == 0 and page.locator("article").count() == 2
    page.close()
