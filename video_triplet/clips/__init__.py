"""Clips of videos with one label each: data sets, splits, frames, networks, and what a step of training sees."""
