"""The programs in bindings/c do what they say."""

import random
import re

import pytest
from abi import ROOT, fails, run

NAMES = ["hello", "train", "train_softmax", "newton", "embed_python"]


@pytest.fixture(scope="module")
def examples(library):
    """Builds them.  They find the library beside themselves."""
    run("make", "examples", cwd=ROOT)
    return {name: ROOT / "build/examples" / name for name in NAMES}


def write_table(path, classes):
    """300 samples whose first feature tells the class with some noise."""
    draw = random.Random(1)
    rows = [(draw.choice(classes), draw.gauss(0, 1)) for _ in range(300)]
    lines = [f"{label + draw.gauss(0, 0.4)},{noise},{label}" for label, noise in rows]
    path.write_text("x0,x1,class\n" + "\n".join(lines) + "\n")
    return path


def test_every_example_is_tested():
    found = {path.stem for path in (ROOT / "bindings/c").iterdir() if path.suffix in (".c", ".cpp")}
    assert found == set(NAMES)


def test_hello(examples):
    assert re.search(r"loss  0\.011446\ngrad  -0\.000406 0\.013145 -0\.011495\n", run(examples["hello"]))


def test_newton_finds_the_optimal_score(examples):
    assert "focal_optimal_score gives" in run(examples["newton"])


def test_embedded_python_sees_the_gradient(examples):
    assert run(examples["embed_python"]) == (
        "loss in C   0.008605\ngrad in Python  -0.000304 0.009859 -0.008621 0.000059\n")


def test_train_learns(examples, tmp_path):
    table = write_table(tmp_path / "table.csv", [0, 0, 0, 1])
    rows = [line.rsplit(maxsplit=6)[1:] for line in run(examples["train"], table).splitlines()[3:]]
    assert len(rows) == 8
    for ap, auc, _, hidden_ap, hidden_auc, _ in rows:
        assert min(map(float, [ap, auc, hidden_ap, hidden_auc])) > 0.9


def test_train_softmax_learns(examples, tmp_path):
    table = write_table(tmp_path / "table.csv", [0, 0, 0, 1, 1, 3, 2])
    rows = [line.split()[-7:] for line in run(examples["train_softmax"], table).splitlines()[2:]]
    assert len(rows) == 5
    for _, accuracy, *_ in rows:
        assert float(accuracy) > 0.7


@pytest.mark.parametrize("text, message", [
    ("x,class\n1,0\ntwo,1\n", "two.csv:3: column 1 is not a number"),
    ("x,class\n1,0\n2,7\n", "two.csv:3: column 2 is not a class"),
    ("x,class\n", "samples are needed"),
    ("x,class\n" + "1,0\n" * 9, "at least four samples of each class"),
])
def test_train_refuses_a_bad_table(examples, tmp_path, text, message):
    (tmp_path / "two.csv").write_text(text)
    assert message in fails(examples["train"], tmp_path / "two.csv")
