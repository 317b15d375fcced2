"""Surgical action triplets by self-distillation: teacher, soft labels, student, ensemble.

Companion of `nnunet_dsd`, sharing its trainer registry, its errors and its files. Importing it loads nothing; start
with `video_triplet.data.reading.open_dataset`, `video_triplet.models.model_file.load_model` or the command
`video-triplet`.

Reference: Yamlahi et al., "Self-distillation for Surgical Action Recognition", MICCAI 2023.
"""
