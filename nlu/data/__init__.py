"""Reads and checks training data and the knowledge base; no torch."""

from nlu.data.examples import TrainingData
from nlu.data.reader import data_hash, read_training_data

__all__ = ["TrainingData", "data_hash", "read_training_data"]
