"""Comparison of runs on the same cases: tables, paired statistics, figures, a report. Nothing here imports nnunetv2."""
