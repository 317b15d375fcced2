"""What a deployed model of triplets runs by: numpy, Pillow, PyAV and a runtime, nothing of torch.

These modules become one file, `predict.py`, in the folder of a deployed model, together with those that read videos and
images, draw and write for `video-triplet predict` (see `video_triplet.deploy.program`).
"""
