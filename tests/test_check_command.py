"""The checker's command: all lessons, a class, an editor."""

import json

import pytest
from checking import LESSON

from lessons import catalog, check, progress, report
from lessons.__main__ import main
from minigooglenet.errors import UserError


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGOOGLENET_PROGRESS", str(tmp_path / "progress.json"))


def submit(folder, text):
    folder.mkdir(parents=True)
    (folder / f"{LESSON.stem}.py").write_text(text)


def test_a_class_is_a_line_for_each_submission(tmp_path, capsys):
    solutions = LESSON.beside("solutions").read_text()
    submit(tmp_path / "ann", solutions)
    submit(tmp_path / "bob" / "exercises", solutions.replace("+ 1", "+ 2"))
    submit(tmp_path / "cat", "def output_size(:")
    (tmp_path / "dan").mkdir()
    assert report.check_class([LESSON], tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == ["ann         3/3  3 of 3", "bob         0/3  0 of 3", "cat         !    0 of 3",
                          "dan         -    0 of 3"]
    assert "cat, lesson 02" in lines[-1] and "SyntaxError" in lines[-1]
    with pytest.raises(UserError, match="one folder for each learner"):
        report.check_class([LESSON], tmp_path / "nobody")


def test_json_has_points(capsys):
    assert main(["check", "2", "--solutions", "--json", "--seed", "7"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["points"] == result["of"] == 3
    one = result["lessons"]["02"]["exercises"]["output_size"]
    assert one == {"status": "passes", "points": 1, "text": f"passes, {7 + 1 + 5} cases"}


def test_one_exercise_alone_keeps_the_record_of_the_others():
    progress.checked(LESSON, ["output_size", "col2im"])
    progress.checked(LESSON, ["convolve"], among=["convolve"])
    progress.checked(LESSON, [], among=["col2im"])
    assert progress.load()["passed"][LESSON.topic] == ["convolve", "output_size"]


def test_watching_goes_on_to_the_next_exercise(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.py"
    path.write_text("1")
    monkeypatch.setattr(catalog.Lesson, "beside", lambda self, folder: path if folder == "exercises" else
                        catalog.HERE / folder / f"{self.stem}.py")
    names, saves = ["output_size", "convolve", "col2im"], iter(["broken", "12", "123", "1234"])

    def judged(lesson, file, seed, only):
        assert only == ()
        count = len(file.read_text()) - 1
        if file.read_text() == "broken":
            raise UserError("mine.py, line 1: SyntaxError")
        return {name: check.Verdict("passes" if n < count else "wrong", f"text of {name}")
                for n, name in enumerate(names)}

    monkeypatch.setattr(report, "judge_file", judged)
    monkeypatch.setattr(report.time, "sleep", lambda seconds: path.write_text(next(saves)))
    assert report.watch(LESSON) == 0
    said = capsys.readouterr().out
    assert said.index("text of output_size") < said.index("SyntaxError") < said.index("output_size passes.")
    assert "convolve passes. 2 of 3 pass. Next:\ncol2im: text of col2im" in said
    assert said.rstrip().endswith("All exercises of lesson 02 pass. The next step: make progress")
    assert progress.load()["passed"][LESSON.topic] == sorted(names)


def test_watching_one_exercise_ends_when_it_passes(monkeypatch, capsys):
    asked = []

    def judged(lesson, file, seed, only):
        asked.append(only)
        return {name: check.Verdict("passes", "") for name in only}

    monkeypatch.setattr(report, "judge_file", judged)
    progress.checked(LESSON, ["output_size"])
    assert main(["check", "2", "--watch", "--exercise", "col2im"]) == 0
    assert asked == [["col2im"]] and "col2im passes. Done. The next step:" in capsys.readouterr().out
    assert progress.load()["passed"][LESSON.topic] == ["col2im", "output_size"]


@pytest.mark.parametrize("options, said", [
    ("2 --folder class --exercise nonsense --hint 2", "check --folder has no use for --hint and --exercise"),
    ("2 --folder class --solutions", "check --folder has no use for --solutions"),
    ("2 --watch --solutions", "check --watch has no use for --solutions"),
    ("2 --watch --hint 1", "check --watch has no use for --hint"),
    ("2 --json --watch", "check --json has no use for --watch"),
    ("all --exercise col2im", "check all has no use for --exercise"),
])
def test_options_that_would_be_ignored_are_rejected(options, said, capsys):
    assert main(["check", *options.split()]) == 2
    assert capsys.readouterr().err == f"lessons: {said}; leave one or the other out\n"


@pytest.mark.parametrize("written", [
    "def col2im(*a):\n    return 1\n", "col2im = abs\n", "from math import ceil as col2im\n",
    "if True:\n    def col2im(*a):\n        return 1\n"], ids=("def", "assignment", "import", "if"))
def test_an_answer_below_its_stub_is_written(written, tmp_path):
    stub, path = LESSON.beside("exercises").read_text(), tmp_path / "mine.py"
    path.write_text(f"{stub}\n\n{written}")
    assert sorted(report.unwritten(path)) == ["convolve", "output_size"]
    path.write_text(f"{written}\n\n{stub}")
    assert sorted(report.unwritten(path)) == ["col2im", "convolve", "output_size"]


def test_watching_ends_with_ctrl_c(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(report, "judge_file", interrupted)
    assert report.watch(LESSON) == 0
    assert "Stopped. 0 of 3 exercises of lesson 02 pass." in capsys.readouterr().out
