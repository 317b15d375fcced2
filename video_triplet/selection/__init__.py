"""Which epochs of which teachers label the frames for a student: criteria, strategies, and the choice as a file.

Reference: Yamlahi et al., "Smarter Self-Distillation: Optimizing the Teacher for Surgical Video Applications", MICCAI
2025 (poster). It names the strategies and says that useful teachers are neither too uncertain nor over-confident; it
names no measure of that, so the criteria here are this package's own.
"""
