"""Pictures of digits, converted from file bytes to the pixels of a model.

decoding   PNG files, scaled and centred like MNIST's digits
"""

#: Value of a full ink pixel.
WHITE = 255
