"""Runs: experiments, runs, their metrics and files, by the history service and by MLflow."""
