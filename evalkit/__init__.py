"""Generate, score and compare pictures from few-step text-to-image models."""

__version__ = "0.1.0"
