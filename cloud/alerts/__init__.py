"""Alerts that people act on: the life of each, and its delivery to every receiver. The stream decides, this delivers."""
