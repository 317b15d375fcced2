"""The equations of dual self-distillation in plain NumPy and float64, written from the paper, with no line of torch.

Slow and literal on purpose. Arrays are `(B, C, *S)`; a map is a level's logits at full resolution. Encoder maps are
listed from encoder 1 (full resolution) to encoder Z, decoder maps from decoder 1 (just below the output) to decoder Z.
"""

import math

import numpy as np
from scipy import special

SMOOTH = 1e-5
# Every setting the whole loss depends on, with the paper's values.
PAPER = {
    "temperature": 3.0,
    "alpha": 1.0,
    "beta": 1.0,
    "eta": 1.0,
    "eta_decay": 1.0,
    "reduction": "sum",
    "teacher": "deepest",
    "detach_teacher": False,
    "distillation_ramp": 0.0,
    "encoder_supervision": 0.0,
    "feature_l2": 0.0,
}


def as_array(tensor):
    return tensor.detach().double().numpy()


def divergence_voxel_by_voxel(student, teacher, temperature, mask=None, regions=False):
    """Eq. 2 and 4, one voxel after another: T^2 * KL(teacher || student), mean over the voxels that count."""
    total, count = 0.0, 0
    for case in range(student.shape[0]):
        for voxel in np.ndindex(*student.shape[2:]):
            if mask is not None and not mask[(case, 0, *voxel)]:
                continue
            p = [math.exp(z / temperature) for z in teacher[(case, slice(None), *voxel)]]
            q = [math.exp(z / temperature) for z in student[(case, slice(None), *voxel)]]
            count += 1
            if regions:
                for odds_p, odds_q in zip(p, q, strict=True):
                    a, b = odds_p / (1 + odds_p), odds_q / (1 + odds_q)
                    total += a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
            else:
                for a, b in zip(p, q, strict=True):
                    a, b = a / sum(p), b / sum(q)
                    total += a * math.log(a / b)
    return temperature**2 * total / count if count else 0.0


def soft_labels(logits, temperature, regions=False):
    """Eq. 2; with regions, each channel is the probability of one Bernoulli variable."""
    return special.expit(logits / temperature) if regions else special.softmax(logits / temperature, axis=1)


def divergence_of_labels(student, teacher, temperature, mask=None, regions=False):
    """Eq. 4 on probabilities, times T^2."""
    values = special.rel_entr(teacher, student)
    if regions:
        values = values + special.rel_entr(1 - teacher, 1 - student)
    voxels = values.sum(axis=1, keepdims=True)
    counts = np.ones_like(voxels) if mask is None else mask.astype(float)
    return temperature**2 * (voxels * counts).sum() / max(counts.sum(), 1.0)


def teacher_and_students(side, teacher, labels):
    """Who teaches whom, from the words of the paper: pairs of level number and labels, and the teacher's labels."""
    levels = dict(enumerate(labels, start=1))
    if teacher == "mean":
        return list(levels.items()), sum(labels) / len(labels)
    deepest = {"encoder": len(labels), "decoder": 1}[side]
    shallowest = {"encoder": 1, "decoder": len(labels)}[side]
    chosen = {"deepest": deepest, "reversed": shallowest}[teacher]
    return [(number, value) for number, value in levels.items() if number != chosen], levels[chosen]


def side_divergences(maps, side, teacher, temperature, mask=None, regions=False):
    labels = [soft_labels(item, temperature, regions) for item in maps]
    students, target = teacher_and_students(side, teacher, labels)
    return {n: divergence_of_labels(student, target, temperature, mask, regions) for n, student in students}


def side_distances(vectors, side, teacher):
    students, target = teacher_and_students(side, teacher, vectors)
    return {n: float(np.mean((student - target) ** 2)) for n, student in students}


def dice_and_cross_entropy(logits, labels, *, background, batch_dice, ignore_label=None):
    """Eq. 1 in nnU-Net's convention: minus soft Dice, plus cross-entropy; `labels` is `(B, *S)`."""
    probabilities = special.softmax(logits, axis=1)
    counts = np.ones(labels.shape) if ignore_label is None else (labels != ignore_label).astype(float)
    classes = range(0 if background else 1, logits.shape[1])
    cases = [slice(None)] if batch_dice else [slice(b, b + 1) for b in range(len(labels))]
    scores = []
    for case in cases:
        for c in classes:
            predicted = probabilities[case, c] * counts[case]
            reference = (labels[case] == c) * counts[case]
            overlap = (predicted * reference).sum()
            scores.append((2 * overlap + SMOOTH) / (predicted.sum() + reference.sum() + SMOOTH))
    log_probabilities = special.log_softmax(logits, axis=1)
    at_label = np.zeros(labels.shape)
    for c in range(logits.shape[1]):
        at_label += np.where(labels == c, log_probabilities[:, c], 0.0)
    cross_entropy = -(at_label * counts).sum() / counts.sum() if counts.sum() else 0.0
    return cross_entropy - float(np.mean(scores))


def dice_and_binary_cross_entropy(logits, regions, *, batch_dice, mask=None):
    """The same for regions `(B, R, *S)`, as nnU-Net's DC_and_BCE_loss; `mask` is `(B, 1, *S)`."""
    probabilities = special.expit(logits)
    counts = np.ones_like(logits[:, :1]) if mask is None else mask.astype(float)
    axes = (0, *range(2, logits.ndim)) if batch_dice else tuple(range(2, logits.ndim))
    overlap = (probabilities * regions * counts).sum(axes)
    sizes = (probabilities * counts).sum(axes) + (regions * counts).sum(axes)
    entropies = -(regions * special.log_expit(logits) + (1 - regions) * special.log_expit(-logits)) * counts
    # With a mask nnU-Net divides the sum over all channels by the voxels; without one it takes the plain mean.
    voxels = counts.sum() if mask is not None else counts.sum() * logits.shape[1]
    return entropies.sum() / voxels - float(np.mean((2 * overlap + SMOOTH) / (sizes + SMOOTH)))


def whole_loss(maps, supervised, choices, *, progress=1.0, mask=None, regions=False):
    """Eq. 3 to 5 with this package's options; returns the total and the unweighted terms.

    `maps` holds main, encoders, decoders (and vectors); `supervised` turns logits into Eq. 1; `choices` is a dict with
    all settings that matter.
    """
    terms = {"output": supervised(maps["main"])}
    weights = {"output": 1.0}
    for i, item in enumerate(maps["decoders"], start=1):
        if choices["eta"]:
            terms[f"decoder_{i}"] = supervised(item)
            weights[f"decoder_{i}"] = choices["eta"] * choices["eta_decay"] ** i
    if choices["alpha"] and choices["encoder_supervision"]:  # not in the paper
        deepest = f"encoder_{len(maps['encoders'])}"
        terms[deepest], weights[deepest] = supervised(maps["encoders"][-1]), choices["encoder_supervision"]
    if choices["reduction"] == "mean":
        share = sum(weights.values())
        weights = {name: weight / share for name, weight in weights.items()}
    ramp = choices["distillation_ramp"]
    grown = 1.0 if not ramp else min(progress / ramp, 1.0)
    for side, key, symbol in (("encoder", "encoders", "alpha"), ("decoder", "decoders", "beta")):
        if choices[symbol]:
            values = side_divergences(
                maps[key], side, choices["teacher"], choices["temperature"], mask=mask, regions=regions
            )
            each = 1.0 if choices["reduction"] == "sum" else 1.0 / len(values)
            for level, value in values.items():
                terms[f"{side}_kl_{level}"], weights[f"{side}_kl_{level}"] = value, grown * choices[symbol] * each
        if choices["feature_l2"]:
            values = side_distances(maps[f"{side}_vectors"], side, choices["teacher"])
            each = 1.0 if choices["reduction"] == "sum" else 1.0 / len(values)
            for level, value in values.items():
                terms[f"{side}_l2_{level}"], weights[f"{side}_l2_{level}"] = value, each * choices["feature_l2"]
    return sum(weights[name] * terms[name] for name in terms), terms


def bottleneck_by_hand(features, scale, project, deconvolutions):
    """A 1x1 convolution, then deconvolutions whose kernel equals their stride, the coarse steps first.

    `project` is weight and bias; `deconvolutions` maps a step such as (1, 2, 2) to its weight and bias,
    the weight's shape being (in, out, *step).
    """
    weight, bias = project
    logits = np.einsum("oc,bc...->bo...", weight.reshape(weight.shape[:2]), features)
    logits = logits + bias.reshape(1, -1, *([1] * len(scale)))
    for step in halvings(scale):
        weight, bias = deconvolutions[step]
        size = [n * s for n, s in zip(logits.shape[2:], step, strict=True)]
        finer = np.zeros((len(logits), weight.shape[1], *size))
        for offset in np.ndindex(*step):
            places = tuple(slice(o, None, s) for o, s in zip(offset, step, strict=True))
            kernel = weight[(slice(None), slice(None), *offset)]
            finer[(slice(None), slice(None), *places)] = np.einsum("io,bi...->bo...", kernel, logits)
        logits = finer + bias.reshape(1, -1, *([1] * len(scale)))
    return logits


def halvings(scale):
    """Steps of stride 2 (or 3), each axis taking part in the first ones; a full-resolution head has one of stride 1."""
    left, steps = list(scale), []
    while max(left) > 1:
        step = tuple(next((f for f in (2, 3, 5) if n % f == 0), 1) for n in left)
        left = [n // f for n, f in zip(left, step, strict=True)]
        steps.append(step)
    return steps or [(1,) * len(scale)]
