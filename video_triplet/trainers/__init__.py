"""Recipes of the shared registry for surgical triplets, run by Lightning."""
