import pytest

from minigooglenet.data.ground_truth import read_ground_truth
from minigooglenet.errors import UserError


@pytest.mark.parametrize("name, text", [
    ("expected.json", '[{"photo": "a.jpg", "label": 3, "top5": []}, {"photo": "b, c.jpg", "label": 0}]'),
    ("labels.csv", 'a.jpg,3\n"b, c.jpg",0\n'),
    ("labels.csv", '\ufefffile,label\r\na.jpg, 3\r\n"b, c.jpg",0\r\n\r\n'),
])
def test_json_and_csv(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    files, y = read_ground_truth(tmp_path)
    assert files == [tmp_path / "a.jpg", tmp_path / "b, c.jpg"] and y.tolist() == [3, 0]


@pytest.mark.parametrize("text, complaint", [
    ("", "the file is empty"), *((text, "no photos in it") for text in ("[]", "{}", "file,label\n")),
    *((text, "expected a JSON list") for text in (
        '[{"photo": "a"}]', '[{"photo": 3, "label": 1}]', '[{"photo": "a", "label": true}]',
        '[{"photo": "a", "label": 1.5}]', '{"photo": "a", "label": 1}', "[1, 2]", "[" * 100_000, '[{"photo": "a", ',
        "a.jpg\n", "a.jpg,1,2\n", "a.jpg,1\nb.jpg,x\n", ",1\n")),
    ("a.jpg,1000\n", "'a.jpg': label 1000, expected 0 to 999"),
    ('"a\nb\x1b[2J.jpg",1000\n', r"'a\\nb\\x1b\[2J.jpg': label 1000"),
    ('[{"photo": "a", "label": -1}]', "label -1, expected"),
    ("a.jpg,1" + "0" * 30 + "\n", "expected 0 to 999"),
])
def test_refused_in_one_line(tmp_path, text, complaint):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(UserError, match=complaint) as caught:
        read_ground_truth(tmp_path, tmp_path / "labels.txt")
    assert "labels.txt" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_or_not_text(tmp_path):
    with pytest.raises(UserError, match="expected.json: no such file"):
        read_ground_truth(tmp_path)
    (tmp_path / "expected.json").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(200, 256)))
    with pytest.raises(UserError, match="this is a JPEG image"):
        read_ground_truth(tmp_path)
