"""Thin bridges to the samplers and models that people use."""
