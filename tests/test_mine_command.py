"""``make mine``: the table of parts, the processes, the weights of 2014."""

import json
import os
import re
from pathlib import Path

import pytest
from own_answers import SOLUTIONS, answers

from lessons import catalog, mine, mine_photo, progress
from lessons.__main__ import main
from lessons.mine_parts import PARTS
from minigooglenet.errors import UserError

pytestmark = pytest.mark.usefixtures("own_places")


def submission(folder, **texts):
    for topic, text in texts.items():
        (folder / f"{mine.lessons_by_topic()[topic].stem}.py").write_text(text)
    return folder


def test_the_table_says_what_passes_and_what_to_do(tmp_path):
    folder = tmp_path / "ann"
    folder.mkdir()
    solutions = mine.lessons_by_topic()["convolution"].beside("solutions").read_text()
    submission(folder, convolution=solutions.replace("// S + 1", "// S + 2"), backward="def f(:\n")
    found = mine.judge(mine.files_of(str(folder), False))
    assert found["output_size"] == "does not pass" and found["conv_backward"] == "its file does not load"
    assert found["max_pool"] == "not written"
    lines = mine.table(found).splitlines()
    assert re.search(r"^  convolution, backward +conv_backward +04 +the library's \(its file does not load: "
                     r"make check N=4\)$", "\n".join(lines), re.MULTILINE)
    assert lines[-1] == f"0 of {len(PARTS)} parts are yours."


def test_without_an_answer_it_says_where_to_begin(tmp_path, capsys):
    assert main(["mine", "--folder", str(tmp_path)]) == 1
    assert "One is enough to begin, such as convolve of lesson 02: make check N=2" in capsys.readouterr().out
    assert main(["mine", "--folder", str(tmp_path / "none")]) == 2
    with pytest.raises(UserError, match="no such file; give the path of an image"):
        mine.run(photo="nothing.jpg")


def test_an_answer_that_ends_the_process_is_left_out(tmp_path, capfd, monkeypatch):
    folder = tmp_path / "bob"
    folder.mkdir()
    solutions = mine.lessons_by_topic()["one_by_one"].beside("solutions").read_text()
    ends = "\n\ndef _kept(x):\n    import os\n    if x.shape[1:3] == (8, 8): os._exit(3)\n"
    submission(folder, one_by_one=solutions.replace("y = ", "_kept(x)\n    y = ", 1).replace(
        "return x[", "_kept(x)\n    return x[", 1) + ends, average=catalog.find(10).beside("solutions").read_text())
    monkeypatch.delenv("MINIGOOGLENET_CAFFE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert mine.run(str(folder), epochs=1, seed=3, images=64) == 0
    said = capfd.readouterr().out
    assert "your one_by_one: the process ended (exit code 3); once more, with the library's code in its place" in said
    assert f"2 of the {len(PARTS)} parts that learned this are yours." in said
    assert "skipped: it needs convolve" in said


def test_progress_remembers_the_network():
    progress.own_network(3, 22, 0.71)
    progress.checked(catalog.find(2), ["convolve"])
    assert "Your own network: 3 of 22 parts, 71% on Shapes-10 (make mine)." in progress.overview()
    assert json.loads(Path(os.environ["MINIGOOGLENET_PROGRESS"]).read_text())["mine"]["yours"] == 3


CAFFE = os.environ.get("MINIGOOGLENET_CAFFE", "")


@pytest.mark.skipif(not (Path(CAFFE) / "bvlc_googlenet.caffemodel").exists() or not CAFFE,
                    reason="MINIGOOGLENET_CAFFE does not name a folder with the weights of 2014")
def test_the_weights_of_2014_agree_and_a_wrong_convolution_does_not(monkeypatch):
    lines = []
    asked = answers({"one_by_one": SOLUTIONS["one_by_one"], "max_pool": SOLUTIONS["max_pool"]})
    assert mine_photo.run(asked, None, lines.append) is True
    assert "your one_by_one, max_pool run the network of 2014" in lines[-1]
    monkeypatch.setattr(mine_photo, "SECONDS", 0.1)
    lines = []
    wrong = answers({"convolve": lambda x, w, b, S, P: SOLUTIONS["convolve"](x, w[::-1], b, S, P)})
    assert mine_photo.run(wrong, None, lines.append) is False
    assert "all 224×224 would take" in lines[1] and "WRONG" in lines[2] and "THEY DIFFER" in lines[-1]


def test_without_the_weights_it_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGOOGLENET_CAFFE", str(tmp_path))
    lines = []
    assert mine_photo.run(answers(SOLUTIONS), None, lines.append) is None
    assert "skipped: the weights of 2014 are not there (54 MB)" in lines[1]
