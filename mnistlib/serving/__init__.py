"""A scoring service for a model, with a page to draw on.

A request's body becomes rows (:mod:`~mnistlib.serving.inputs` for JSON, ``idx_images``, :mod:`mnistlib.pictures`), rows
that arrive together are scored together (:mod:`~mnistlib.serving.batching`), and whatever is wrong becomes one
:class:`~mnistlib.serving.refusals.Refusal`. What a cluster's service runs, :mod:`~mnistlib.serving.entry`, shares the
first and the last of these, and needs no web framework.
"""
