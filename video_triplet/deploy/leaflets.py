"""What lies beside a deployed model of triplets for people: its README, and what to install."""

from __future__ import annotations

from nnunet_dsd.common.counting import counted
from nnunet_dsd.graphs.writing import runtime_requirement
from video_triplet.deploy.runtime.description import Description


def requirements(description: Description) -> str:
    """Return `requirements.txt`: three libraries, and the runtime at least as new as the one it was deployed with."""
    runtime = runtime_requirement(description.runtime, description.runtime_version)
    return "\n".join(["numpy>=1.26", "pillow>=10.1", "av>=14", runtime, ""])


def told(description: Description) -> str:
    """Return in words how far the graph is from the trained network; nothing where it was not measured."""
    found = description.measured
    if not found:
        return ""
    return (
        f"{description.precision} against the trained network on {counted(found['frames'], 'frame')}: probabilities "
        f"change by {found['largest_change']:.2g} at most, {found['mean_change']:.2g} on average"
    )


def readme(description: Description) -> str:
    """Return `README.md` of a deployed model."""
    heads = "\n".join(
        f"| {head} | {description.vocabulary.size(head)} | {', '.join(description.vocabulary.names(head)[:3])}, ... |"
        for head in description.heads
    )
    measured = f"{line}.\n\n" if (line := told(description)) else ""
    size = description.image_size
    return f"""# {description.name}

A trained model of surgical action triplets that runs by itself: {description.runtime}, {description.precision}, frames
of {size} x {size} pixels.

{measured}```bash
pip install -r requirements.txt
python predict.py -i VIDEO -o RESULTS
```

`VIDEO` is a video file, of which one frame per second is taken (`--rate`), or a folder of images whose names end in
their number, such as `000001.png`. `RESULTS` gets, each as a whole or not at all:

| file | what |
|---|---|
| `frames.csv` | a line per frame with every probability, in columns `HEAD:NAME` |
| `frames.json` | the likeliest triplets of each frame (`--top`) |
| `annotated.mp4` | the frames beside their likeliest triplets (not with `--no-video`) |
| `predictions.npz` | all of it, for `video-triplet evaluate` and `video-triplet ensemble` |

| head | classes | such as |
|---|---|---|
{heads}

From Python, with a frame `(H, W, 3)` of bytes, red, green and blue:

```python
from predict import Predictor

probabilities = Predictor("FOLDER")(frame)["triplet"]
```

This is a research tool. It is no medical device, and nobody has tested it for your patients.
"""
