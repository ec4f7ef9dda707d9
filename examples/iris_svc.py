"""A training script as in Azure ML's how-to on scikit-learn models: an SVC on the iris flowers.

Run it by hand (``python iris_svc.py --kernel rbf --penalty 0.5``) or, unchanged, as a job: see ``run_a_script.py``.
"""

import argparse

import joblib
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import mnistlib


def main() -> None:
    """Train, print the accuracy, and write the model to outputs/."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", default="linear")
    parser.add_argument("--penalty", type=float, default=1.0)
    options = parser.parse_args()

    flowers, kinds = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(flowers, kinds, random_state=0)
    model = SVC(kernel=options.kernel, C=options.penalty).fit(X_train, y_train)
    accuracy = accuracy_score(y_test, model.predict(X_test))
    print(f"accuracy of the {options.kernel} kernel: {accuracy:.3f}")

    run = mnistlib.current_run()
    run.log_metric("accuracy", accuracy)
    run.log_metric("penalty", options.penalty)
    joblib.dump(model, run.output_path("model.joblib"))


if __name__ == "__main__":
    main()
