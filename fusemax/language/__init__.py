"""Einsum text to syntax tree and back."""
