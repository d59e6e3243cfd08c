"""The command line: python -m focalloss info | plot | compare | bench."""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Callable

from . import __version__, _abi, info

COMMANDS = {
    "info": "what is loaded: version, instruction set, threads, file",
    "plot": "draw the loss and its gradient against p_t, as PNG or SVG",
    "compare": "cross-validate cross-entropy, weighted cross-entropy and focal losses on a table of your own",
    "bench": "time loss and gradient against what the memory allows",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m focalloss", description="Focal losses: what is loaded, and what they do."
    )
    top.add_argument("--version", action="version", version=f"focalloss {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    parts = {name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}
    _plot_arguments(parts["plot"])
    _compare_arguments(parts["compare"])
    _bench_arguments(parts["bench"])
    return top


def _plot_arguments(part: argparse.ArgumentParser) -> None:
    part.add_argument("output", nargs="?", default="focal-loss.png", help="file to write, .png or .svg [%(default)s]")
    part.add_argument("--gammas", type=float, nargs="+", default=[0, 0.5, 1, 2, 5], metavar="G", help="[0 .5 1 2 5]")


def _compare_arguments(part: argparse.ArgumentParser) -> None:
    part.add_argument("file", help="a CSV file with a header line; words are one-hot encoded, gaps are filled")
    part.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    part.add_argument("--positive", metavar="VALUE", help="its value that is the positive class [the rarest]")
    part.add_argument("--gammas", type=float, nargs="+", default=[0.5, 1, 2, 5], metavar="G", help="[.5 1 2 5]")
    part.add_argument("--alphas", type=_alpha, nargs="+", default=[None, 0.25, 0.5, 0.75], metavar="A",
                      help="weight of positives, or `off` [off .25 .5 .75]")  # fmt: skip
    part.add_argument("--hidden", type=_at_least(0), default=0, metavar="N",
                      help="hidden units; 0: logistic regression [0]")  # fmt: skip
    part.add_argument("--folds", type=_at_least(2), default=5, metavar="N", help="parts of the cross-validation [5]")
    part.add_argument("--repeats", type=_at_least(1), default=2, metavar="N", help="how often it is repeated [2]")
    part.add_argument("--seed", type=_at_least(0), default=0, help="of splits and starting weights [0]")
    part.add_argument("--output", default="precision-recall.png", metavar="FILE",
                      help="the precision-recall curves, .png or .svg [%(default)s]")  # fmt: skip


def _bench_arguments(part: argparse.ArgumentParser) -> None:
    part.add_argument("--sizes", type=_at_least(1), nargs="+", default=[1000, 100_000, 10_000_000], metavar="N",
                      help="elements [1e3 1e5 1e7]")  # fmt: skip
    part.add_argument("--threads", type=_at_least(1), nargs="+", metavar="N", help="[1 and all]")
    part.add_argument("--gamma", type=float, default=2.0, help="[2]")
    part.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="[float32]")


def _at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number, also one like 1e6."""

    def whole(text: str) -> int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value.is_integer() and value >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(value)

    return whole


def _alpha(text: str) -> float | None:
    return None if text == "off" else float(text)


def _info() -> None:
    for name, value in info().items():
        print(f"{name:15}{', '.join(value) if isinstance(value, tuple) else value}")
    print(f"{'abi':15}{_abi.ABI_VERSION}")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status. What the user can mend is said in one line, without a traceback."""
    options = parser().parse_args(arguments)
    if options.command == "info":
        _info()
        return 0
    try:
        importlib.import_module(f"._cli.{options.command}", __package__).run(options)
    except ModuleNotFoundError as error:
        return _complain(f"`{options.command}` needs {str(error.name).partition('.')[0]}: pip install 'focalloss[cli]'")
    except (OSError, ValueError) as error:
        return _complain(str(error))
    return 0


def _complain(message: str) -> int:
    print(f"focalloss: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
