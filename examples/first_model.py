"""Train a classifier on the digits that scikit-learn ships, load its model and predict labels."""

import tempfile

import mnistlib

with tempfile.TemporaryDirectory() as runs:
    job = mnistlib.TrainJob(dataset="digits", regularization=0.5)
    result = mnistlib.get_backend("local", runs_folder=runs).run(job)
    print(f"accuracy {result.metrics['accuracy']:.3f}, converged: {result.converged}")

    model = mnistlib.load_model(result.model_path)
    test = mnistlib.load_dataset("digits").test
    print("answers", model.predict(test.images[:10]).tolist())
    print("truth  ", test.labels[:10].tolist())
