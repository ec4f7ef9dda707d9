"""The commands and their options, in words; nothing heavy is imported to say them."""

import argparse
import importlib
from collections.abc import Callable
from typing import Any


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="mnistlib",
        description="Read IDX files, train logistic regression, keep the model.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_fetch(commands)
    _add_info(commands)
    _add_show(commands)
    _add_report(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = _add(commands, "train", "train a model and keep it in a run folder")
    train.add_argument("--dataset", help="digits, mnist, fashion-mnist, kmnist, or a folder (default: mnist)")
    _add_data_folder(train)
    train.add_argument("--no-download", dest="download", action="store_false", default=None, help="never fetch files")
    train.add_argument("--limit", type=int, metavar="N", help="use at most N images of each split")
    train.add_argument("--normalization", help="unit, standard or none (default: unit)")
    train.add_argument("--regularization", type=float, metavar="RATE", help="the rate, 1 / C (default: 0.01)")
    train.add_argument("--solver", help="auto, or one of scikit-learn's by name (default: auto)")
    train.add_argument("--max-iter", type=int, metavar="N", help="iterations before the solver gives up")
    train.add_argument("--tol", type=float, help="the solver's tolerance")
    train.add_argument("--seed", type=int, help="for solvers that draw random numbers (default: 42)")
    train.add_argument("--backend", default="local", help="where to run (default: local)")
    train.add_argument("--experiment", default="default", help="name that runs of one purpose share")
    _add_runs(train)
    _add_json(train)


def _add_evaluate(commands: Any) -> None:
    evaluate = _add(commands, "evaluate", "print accuracy, confusion matrix, precision and recall of a run's model")
    evaluate.add_argument("run", help="id or folder of a run")
    _add_data_folder(evaluate)
    _add_runs(evaluate)
    _add_json(evaluate)


def _add_predict(commands: Any) -> None:
    predict = _add(commands, "predict", "print the label of each image in an IDX file, one a line")
    predict.add_argument("model", help="id or folder of a run, or a saved model")
    predict.add_argument("file", help="IDX file of images, plain or gzip")
    predict.add_argument("--trust", action="store_true", help="load a pickle of unknown origin: it can run any code")
    _add_runs(predict)
    _add_json(predict)


def _add_fetch(commands: Any) -> None:
    fetch = _add(commands, "fetch", "download a data set and print where its files are")
    fetch.add_argument("dataset", help="mnist, fashion-mnist or kmnist")
    _add_data_folder(fetch)
    fetch.add_argument("--force", action="store_true", help="fetch again what is there already")
    _add_json(fetch)


def _add_info(commands: Any) -> None:
    info = _add(commands, "info", "print what IDX files announce")
    info.add_argument("files", nargs="+", metavar="FILE", help="IDX file, plain or gzip")
    _add_json(info)


def _add_show(commands: Any) -> None:
    show = _add(commands, "show", "draw samples of a data set or IDX file, or the worst mistakes of a run")
    show.add_argument("what", help="name or folder of a data set, IDX file of images, or id or folder of a run")
    show.add_argument("--count", type=int, default=8, metavar="N", help="how many images (default: 8)")
    show.add_argument("--output", metavar="FILE.png", help="write a picture (extra: plots) instead of drawing here")
    _add_data_folder(show)
    _add_runs(show)


def _add_report(commands: Any) -> None:
    report = _add(commands, "report", "write one HTML file that shows a run or a sweep, and needs no network")
    report.add_argument("run", help="id or folder of a run")
    report.add_argument("--output", metavar="FILE.html", help="the file (default: the run's id, in this folder)")
    _add_data_folder(report)
    _add_runs(report)


def _add(commands: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
    parser.set_defaults(command=_Command(name))
    parser.add_argument("-q", "--quiet", action="store_true", help="print results and errors only")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of a failure")
    return parser


def _add_data_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-folder", metavar="FOLDER", help="holds a subfolder for each data set (default: $MNISTLIB_DATA)"
    )


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="FOLDER", help="holds the runs (default: $MNISTLIB_RUNS or runs)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


class _Command:
    """Runs the function of that name in ``mnistlib.cli.commands``, imported only then."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, options: argparse.Namespace) -> None:
        function: Callable[[argparse.Namespace], None]
        function = getattr(importlib.import_module("mnistlib.cli.commands"), self._name)
        function(options)


class _Version(argparse.Action):
    """Prints the version; like argparse's own, but looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import mnistlib

        print(f"mnistlib {mnistlib.__version__}")
        parser.exit()
