"""python -m focalloss info | plot | compare | bench, as a person runs them."""

import csv
import re
import subprocess
import sys

import focalloss
import numpy as np
import pytest
from focalloss import __main__ as cli

pytest.importorskip("matplotlib")
pytest.importorskip("rich")
pytest.importorskip("sklearn")


def test_info(capsys):
    assert cli.main(["info"]) == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["version"] == focalloss.info()["version"]
    assert printed["library"] == focalloss.info()["library"]
    assert printed["available_isas"] == ", ".join(focalloss.info()["available_isas"])


def test_it_runs_as_a_module():
    result = subprocess.run([sys.executable, "-m", "focalloss", "info"], capture_output=True, text=True)
    assert result.returncode == 0 and "available_isas" in result.stdout


def test_version(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == f"focalloss {focalloss.__version__}"


@pytest.mark.parametrize(
    "wrong, least",
    [
        ("bench --sizes 0", 1),
        ("bench --sizes 1.5", 1),
        ("bench --threads none", 1),
        ("compare x.csv --target y --folds 1", 2),
        ("compare x.csv --target y --hidden -1", 0),
    ],
)
def test_counts_are_checked_before_anything_runs(wrong, least, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        cli.main(wrong.split())
    assert f"'{wrong.split()[-1]}' is no whole number of at least {least}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["curves.png", "curves.svg"])
def test_plot(tmp_path, capsys, name):
    path = tmp_path / name
    assert cli.main(["plot", str(path), "--gammas", "0", "2"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    head = path.read_bytes()[:400]
    assert head.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in head
    assert path.stat().st_size > 5000


def test_plot_draws_the_curves_that_the_library_computes(tmp_path, monkeypatch):
    from focalloss._cli import plot

    figures = []
    monkeypatch.setattr(plot, "_save", lambda figure, path: figures.append(figure))
    plot.curves("x.png", [0, 2])
    left, right = figures[0].axes
    p, loss = left.lines[1].get_data()
    np.testing.assert_allclose(loss, -((1 - p) ** 2) * np.log(p), rtol=1e-9)
    p, slope = right.lines[0].get_data()
    np.testing.assert_allclose(slope, 1 - p, rtol=1e-9)


def write_table(path, rows=400, delimiter=","):
    """Numbers, words and gaps; the target hangs on one number and one word."""
    random = np.random.default_rng(5)
    x, kinds = random.normal(size=(rows, 3)), random.choice(["red", "green", "blue"], rows)
    chance = 1 / (1 + np.exp(-(3 * x[:, 0] + 2 * (kinds == "red") - 4)))
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=delimiter)
        out.writerow(["a", "b", "c", "kind", "fraud"])
        for k in range(rows):
            cells = ["" if random.random() < 0.05 else f"{value:.5f}" for value in x[k]]
            out.writerow([*cells, kinds[k], "yes" if random.random() < chance[k] else "no"])
    return str(path)


QUICK = ["--gammas", "2", "--alphas", "off", "0.5", "--folds", "2", "--repeats", "1"]


@pytest.mark.parametrize("model", [[], ["--hidden", "2"]])
def test_compare(tmp_path, capsys, model):
    table, picture = write_table(tmp_path / "t.csv"), tmp_path / "curves.png"
    assert cli.main(["compare", table, "--target", "fraud", "--output", str(picture), *QUICK, *model]) == 0
    printed = capsys.readouterr().out
    assert "fraud = yes" in printed
    rows = re.findall(r"^ *(cross-entropy|weighted CE|focal) +(\S+) +(\S+) +([\d.]+) ± ([\d.]+)", printed, re.M)
    assert [row[:3] for row in rows] == [
        ("cross-entropy", "0", "off"), ("weighted CE", "0", "off"), ("focal", "2", "off"), ("focal", "2", "0.5"),
    ]  # fmt: skip
    share = float(re.search(r"in ([\d.]+)%", printed)[1]) / 100
    assert all(float(row[3]) > 2 * share for row in rows), "every loss must beat guessing on a table this easy"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_compare_reads_semicolons_and_another_positive(tmp_path, capsys):
    table = write_table(tmp_path / "t.csv", delimiter=";")
    arguments = ["compare", table, "--target", "kind", "--positive", "red", "--output", str(tmp_path / "x.svg")]
    assert cli.main([*arguments, *QUICK]) == 0
    assert "kind = red" in capsys.readouterr().out


def test_linear_training_finds_the_optimum():
    from focalloss._cli.models import Loss, Model

    random = np.random.default_rng(2)
    x = random.normal(size=(500, 3))
    y = (random.random(500) < 1 / (1 + np.exp(-(x @ [1, -2, 0.5] - 1)))).astype(float)
    from sklearn.linear_model import LogisticRegression

    theirs = LogisticRegression(C=1 / (500 * 0.01), tol=1e-10, max_iter=1000).fit(x, y)
    ours = Model(0, 0).fit(x, y, Loss("cross-entropy"), 0.01)
    np.testing.assert_allclose(ours.scores(x), theirs.decision_function(x), atol=2e-3)


def test_the_networks_gradient_is_right():
    from focalloss._cli.models import Loss, Model
    from scipy.optimize import check_grad

    random = np.random.default_rng(3)
    x, y = random.normal(size=(20, 4)), (random.random(20) < 0.4).astype(float)
    model, loss = Model(3, 0), Loss("focal", 0.25, 2.0)
    model.inputs = 4
    theta = random.normal(size=model._start(0.0).size)
    error = check_grad(
        lambda t: model._loss_and_grad(t, x, y, loss)[0], lambda t: model._loss_and_grad(t, x, y, loss)[1], theta
    )
    assert error < 1e-6


@pytest.mark.parametrize(
    "change, message",
    [
        (["--target", "colour"], "has no column 'colour'; it has a, b, c, kind, fraud"),
        (["--target", "kind"], "column 'kind' has 3 values"),
        (["--target", "fraud", "--positive", "maybe"], "column 'fraud' has no value 'maybe'"),
        (["--target", "fraud", "--folds", "150"], "too few for 150 folds"),
        (["--target", "fraud", "--output", "x.jpeg"], "x.jpeg: the picture's name must end in .png or .svg"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, capsys, change, message):
    table = write_table(tmp_path / "t.csv", rows=200)
    assert cli.main(["compare", table, *QUICK[:-4], "--folds", "2", "--repeats", "1", *change]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error


def test_a_missing_file_and_a_ragged_one(tmp_path, capsys):
    assert cli.main(["compare", "/nowhere.csv", "--target", "y"]) == 1
    assert "/nowhere.csv" in capsys.readouterr().err
    (tmp_path / "ragged.csv").write_text("a,y\n1,0\n2\n")
    assert cli.main(["compare", str(tmp_path / "ragged.csv"), "--target", "y"]) == 1
    assert "row 3 has 1 cells; the header has 2" in capsys.readouterr().err


def test_a_missing_extra_is_named(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("focalloss._cli.", "rich"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert cli.main(["bench"]) == 1
    assert "`bench` needs rich: pip install 'focalloss[cli]'" in capsys.readouterr().err


def test_bench(capsys):
    assert cli.main(["bench", "--sizes", "1e3", "--threads", "1"]) == 0
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-2].strip("│ ").split("│")]
    size, threads, loss, floor, ratio, call = row
    assert size == "1,000" and threads == "1" and loss.endswith(" ns") and call.endswith(" µs")
    assert float(ratio) == pytest.approx(float(loss[:-3]) / float(floor[:-3]), rel=0.1)
