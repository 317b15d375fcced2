"""Declared studies: trainers x plans x folds x seeds, run by nnU-Net's own commands. Nothing here imports nnunetv2."""
