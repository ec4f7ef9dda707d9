"""Model sections of a report: accuracy, mistakes and weights."""

from collections.abc import Iterator

import numpy as np

from mnistlib.html.elements import Html, element, percent, table
from mnistlib.html.png import digit, strongest_of, weight_map
from mnistlib.report.findings import Findings, Judgement, Mistakes, Weights
from mnistlib.report.page import figure, section
from mnistlib.training.evaluation import Evaluation

_MOST_CONFUSED = 3
_MANY = 30  # classes; a larger matrix would be unreadable


def model_sections(findings: Findings) -> Iterator[Html]:
    """Yield the sections of a run's model, as far as they are available."""
    judgement, classes = findings.judgement, findings.classes
    if judgement is not None:
        yield element(
            "div",
            section("Confusion matrix", _confusion(judgement, classes)) if len(classes) <= _MANY else "",
            section("Each class", _by_class(judgement.evaluation, classes)),
            class_="pair wide-left",
        )
    if findings.weights is not None:
        yield section("Weights of each class", _weights(findings.weights))
    if judgement is not None:
        yield section("Worst mistakes", _mistakes(judgement, classes))


def _confusion(judgement: Judgement, classes: tuple[str, ...]) -> Html:
    """Draw the confusion matrix as a table, so that its numbers can be copied."""
    confusion = judgement.evaluation.confusion
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    of_errors = shares * (1 - np.eye(len(shares)))
    # The square root keeps errors visible that are rare beside the most frequent one.
    heat = np.where(np.eye(len(shares)), shares, np.sqrt(of_errors / (of_errors.max() or 1)))
    head = element("tr", element("td"), *(element("th", element("span", name), scope="col") for name in classes))
    rows = [
        element(
            "tr", element("th", classes[row], scope="row"), *_cells(row, confusion[row].tolist(), heat[row].tolist())
        )
        for row in range(len(classes))
    ]
    long_names = any(len(name) > 3 for name in classes)
    matrix = element(
        "table",
        element("thead", head),
        element("tbody", *rows),
        class_="confusion turned" if long_names else "confusion",
    )
    return figure(
        element("div", matrix, class_="scroll"),
        f"{judgement.evaluation.count:,} {judgement.images} images: the true class down, the model's answer across. "
        f"{_most_confused(judgement.evaluation, classes)}",
    )


def _cells(row: int, counts: list[int], heat: list[float]) -> Iterator[Html]:
    for column, (count, share) in enumerate(zip(counts, heat, strict=True)):
        kind = "right" if column == row else "wrong" if count else "none"
        yield element("td", f"{count}", class_=kind, style=f"--heat:{share:.2f}" if count else None)


def _most_confused(evaluation: Evaluation, classes: tuple[str, ...]) -> str:
    errors = evaluation.confusion * (1 - np.eye(len(classes), dtype=np.int64))
    order = np.argsort(-errors, axis=None, kind="stable")[:_MOST_CONFUSED]
    pairs = [(*divmod(int(cell), len(classes)), int(errors.flat[cell])) for cell in order]
    named = [f"{classes[row]} as {classes[column]} ({count:,}×)" for row, column, count in pairs if count]
    return f"Most frequent mistakes: {', '.join(named)}." if named else "There are no mistakes."


def _by_class(evaluation: Evaluation, classes: tuple[str, ...]) -> Html:
    rows = [
        [name, f"{count:,}", _bar(precision), _bar(recall)]
        for name, count, precision, recall in zip(
            classes, evaluation.confusion.sum(axis=1).tolist(), evaluation.precision, evaluation.recall, strict=True
        )
    ]
    return figure(
        element("div", table(["class", ">images", ">precision", ">recall"], rows, class_="classes"), class_="scroll"),
        "Precision: how often an answer is right. Recall: how many of a class are recognised. "
        "The bars begin at one half.",
    )


def _bar(share: float) -> Html:
    """Return a share with a bar below, which covers the range from 50 to 100 percent."""
    return element("span", percent(share), class_="bar", style=f"--share:{max(0.0, 2 * share - 1):.3f}")


def _weights(weights: Weights) -> Html:
    strongest = strongest_of(weights.values)
    pictures = [
        figure(weight_map(values, strongest=strongest, alt=f"weights of {name}"), name)
        for name, values in zip(weights.classes, weights.values, strict=True)
    ]
    legend = element(
        "p",
        element("span", f"−{strongest:.2g} or less"),
        element("span", class_="ramp"),
        element("span", f"+{strongest:.2g} or more"),
        class_="legend",
    )
    return element(
        "div",
        element("div", *pictures, class_="pictures weights"),
        legend,
        element(
            "p",
            "The weight of each pixel, on one scale: ink in blue areas is evidence for the class, "
            "ink in orange areas against it.",
            class_="caption",
        ),
    )


def _mistakes(judgement: Judgement, classes: tuple[str, ...]) -> Html:
    mistakes = judgement.mistakes
    if not len(mistakes.images):
        return element("p", f"None: all {judgement.evaluation.count:,} images were recognised.", class_="caption")
    return element(
        "div",
        element("div", *_pictures_of(mistakes, classes), class_="pictures mistakes"),
        element(
            "p",
            f"The {len(mistakes.images)} {judgement.images} images with the most confident wrong answers: "
            "the true class, the model's answer, and its probability of that answer.",
            class_="caption",
        ),
    )


def _pictures_of(mistakes: Mistakes, classes: tuple[str, ...]) -> Iterator[Html]:
    for image, truth, answer, sureness in zip(
        mistakes.images, mistakes.truth, mistakes.answers, mistakes.sureness, strict=True
    ):
        true, taken = classes[truth], classes[answer]
        caption = element(
            "span", element("b", true), " as ", element("b", taken, class_="bad"), element("small", f"{sureness:.1%}")
        )
        yield figure(digit(image, alt=f"{true} labelled {taken}"), caption)
