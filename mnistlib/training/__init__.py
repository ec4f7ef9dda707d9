"""A data set in, a classifier and its metrics out.

preprocessing   pixels to features, and the classifier of features back to one of pixels
solvers         the solvers by name, and their options
fit             the training of one model
evaluation      accuracy, confusion and mistakes on labelled images
"""
