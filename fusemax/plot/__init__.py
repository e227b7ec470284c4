"""Figures drawn from stored tables alone: nothing here runs a model."""
