import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from mnistlib.training.evaluation import evaluate, worst_mistakes


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_counts_agree_with_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, answers = np.array(pairs, np.uint8).T
    evaluation = evaluate(truth, answers, classes=4)
    labels = range(4)
    options = {"labels": labels, "average": None, "zero_division": 0}
    assert np.array_equal(evaluation.confusion, confusion_matrix(truth, answers, labels=labels))
    assert np.allclose(evaluation.precision, precision_score(truth, answers, **options))
    assert np.allclose(evaluation.recall, recall_score(truth, answers, **options))
    assert evaluation.accuracy == np.mean(truth == answers)
    assert evaluation.count == len(pairs)


def test_the_surest_mistake_comes_first_and_right_answers_never() -> None:
    truth = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.1, 0.9]])
    assert worst_mistakes(truth, scores, labels=np.array([0, 1]), count=9).tolist() == [2, 1]
    assert worst_mistakes(truth, scores, labels=np.array([0, 1]), count=1).tolist() == [2]


def test_a_label_that_the_classifier_has_never_seen_is_the_worst_mistake() -> None:
    scores = np.array([[0.1, 0.9], [0.6, 0.4]])
    assert worst_mistakes(np.array([0, 7]), scores, labels=np.array([0, 1]), count=2).tolist() == [1, 0]
