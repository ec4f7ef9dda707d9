"""A scoring service for a model, with a page to draw on.

A request body becomes rows (:mod:`~mnistlib.serving.inputs` for JSON, ``idx_images``, :mod:`mnistlib.pictures`). Rows
that arrive together are scored together (:mod:`~mnistlib.serving.batching`). A bad request raises one
:class:`~mnistlib.serving.refusals.Refusal`. A cluster's service runs :mod:`~mnistlib.serving.entry`, which shares only
the JSON rows and the refusals, and needs no web framework.
"""
