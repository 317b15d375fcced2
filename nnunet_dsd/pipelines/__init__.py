"""Whole ways from finished models to a better one, as steps: soft labels, students, controls, comparison."""
