from .drawn_classes import class_draws as class_draws
from .predicted import Prediction as Prediction
from .predicting import predict as predict

__all__ = [
    "Prediction",
    "class_draws",
    "predict",
]
