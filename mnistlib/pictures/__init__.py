"""Pictures of digits: their bytes in, the pixels that a model takes out.

decoding   PNG files, scaled and centred as MNIST's digits are
"""

#: Value of a pixel that is all ink.
WHITE = 255
