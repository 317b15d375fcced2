"""Average precision, top-k and components from their definitions, in plain Python loops; and vocabularies to try."""

import math

import numpy as np

from video_triplet.vocabulary import Vocabulary


def average_precision(targets, scores):
    """Sum over distinct thresholds, from the highest, of precision times the recall gained; NaN without positives."""
    positives = sum(targets)
    if positives == 0:
        return math.nan
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [target for target, score in zip(targets, scores, strict=True) if score >= threshold]
        total += sum(chosen) / len(chosen) * (sum(chosen) / positives - recall)
        recall = sum(chosen) / positives
    return total


def mean(values):
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def class_ap(targets, scores):
    """Per class, over the given frames."""
    columns = range(len(targets[0]))
    return [average_precision([r[c] for r in targets.tolist()], [r[c] for r in scores.tolist()]) for c in columns]


def video_map(video_targets, video_scores, dropped=()):
    """Per class the mean over videos that have it, then the mean over classes."""
    tables = [class_ap(t, s) for t, s in zip(video_targets, video_scores, strict=True)]
    classes = [c for c in range(len(tables[0])) if c not in dropped]
    return mean([mean([table[c] for table in tables]) for c in classes])


def top_k(targets, scores, k):
    found, labels = 0, 0
    for row_targets, row_scores in zip(targets.tolist(), scores.tolist(), strict=True):
        best = sorted(range(len(row_scores)), key=lambda c: (-row_scores[c], c))[:k]
        found += sum(row_targets[c] for c in best)
        labels += sum(row_targets)
    return found / labels if labels else math.nan


def component_table(table, vocabulary, parts):
    """Maximum over the triplets that share the ids at the places `parts` of (instrument, verb, target)."""
    groups = sorted({tuple(triplet[p] for p in parts) for triplet in vocabulary.triplets})
    rows = []
    for row in table.tolist():
        rows.append(
            [
                max(v for v, t in zip(row, vocabulary.triplets, strict=True) if tuple(t[p] for p in parts) == group)
                for group in groups
            ]
        )
    return np.array(rows)


def make_vocabulary(triplets, sizes=(6, 10, 15), phases=()):
    """Names i0, v0, t0 and so on; the last verb and target are null."""
    instruments = tuple(f"i{k}" for k in range(sizes[0]))
    verbs = (*(f"v{k}" for k in range(sizes[1] - 1)), "null_verb")
    targets = (*(f"t{k}" for k in range(sizes[2] - 1)), "null_target")
    return Vocabulary(instruments, verbs, targets, tuple(phases), tuple(tuple(map(int, row)) for row in triplets))


def random_vocabulary(count, seed=0, sizes=(6, 10, 15)):
    rng = np.random.default_rng(seed)
    chosen = rng.choice(int(np.prod(sizes)), count, replace=False)
    return make_vocabulary(zip(*np.unravel_index(chosen, sizes), strict=True), sizes)


def random_videos(classes, *, videos=3, frames=30, seed=0, present=0.4, decimals=1):
    """Labels and scores; many classes are absent from each video, and rounding makes ties."""
    rng = np.random.default_rng(seed)
    targets, scores = [], []
    for _ in range(videos):
        table = (rng.random((frames, classes)) < 0.15) & (rng.random(classes) < present)
        targets.append(table.astype(np.uint8))
        scores.append(np.round(np.clip(0.6 * rng.random((frames, classes)) + 0.3 * table, 0, 1), decimals))
    return targets, scores
