"""Pre-trained weights of an encoder, from a file or a hub, with a report of what was loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import CheckpointError, SettingsError, SetupError
from nnunet_dsd.common.hashes import weights_hash
from video_triplet.clips.encoders import EncoderEntry

LEAST_LOADED = 0.9
HUBS = ("torchvision", "timm")
DEEPEST_TABLE = 3
SHOWN_NAMES = 5
# Of two copies that fit alike, the trained one is taken, not its slow average (MoCo's key encoder and the like).
SLOW_COPIES = ("encoder_k", "ema", "momentum", "target", "teacher")


@dataclass(frozen=True, kw_only=True)
class LoadingReport:
    """What pre-trained weights gave to an encoder.

    Attributes:
        source: The file or the hub.
        table: Under which keys of the checkpoint the weights were, such as `"state_dict"`; empty for a bare state dict.
        prefix: What stood before the encoder's own names, such as `"module.encoder_q.encoder."`.
        matched: Names of the encoder that were loaded.
        missing: Names of the encoder that the file has not.
        unexpected: Names of the file that the encoder has not: classifiers, projection heads, further copies.
        misshapen: Names of the encoder whose values have another shape in the file: `(name, file's, encoder's)`.
        fraction: Of the encoder's values, those that were loaded.
        weights_hash: SHA-256 of the encoder's weights after loading, as of
            `nnunet_dsd.common.hashes.weights_hash`.
    """

    source: str
    table: str = ""
    prefix: str = ""
    matched: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    fraction: float
    weights_hash: str

    @classmethod
    def whole(cls, encoder: nn.Module, *, source: str) -> LoadingReport:
        """Return the report of an encoder that was loaded whole by the library it comes from."""
        state = encoder.state_dict()
        return cls(source=source, matched=tuple(state), fraction=1.0, weights_hash=weights_hash(state))

    def __str__(self) -> str:
        misshapen = [f"{name} {theirs} instead of {ours}" for name, theirs, ours in self.misshapen]
        place = f" under {self.table!r}" if self.table else ""
        prefix = f", prefix {self.prefix!r}" if self.prefix else ""
        lines = [
            f"{100 * self.fraction:.2f} % of the encoder's values loaded from {self.source}{place}{prefix}",
            f"  matched: {len(self.matched)}",
            _listed("missing in the file", self.missing),
            _listed("of another shape", misshapen),
            _listed("not for the encoder", self.unexpected),
            f"  weights hash: {self.weights_hash}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Candidate:
    """One way of reading a checkpoint: a table of tensors in it and a prefix of its names."""

    table: str
    prefix: str
    tensors: Mapping[str, Tensor]

    def fitting(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that the encoder can take, by its own names."""
        found = {name: self.tensors.get(self.prefix + name) for name in state}
        return {name: values for name, values in found.items() if values is not None and _alike(values, state[name])}


def refuse_weights(weights: str, entry: EncoderEntry) -> None:
    """Refuse weights that this encoder has not.

    Raises:
        SettingsError: if the hub is not the encoder's.
        SetupError: if there is no such file.
    """
    if weights == "none" or (weights in HUBS and weights == entry.hub):
        return
    allowed = " and ".join(["a file", *([f"'{entry.hub}'"] if entry.hub else []), "'none'"])
    if weights in HUBS:
        raise SettingsError(
            [f"weights {weights!r}: {entry.name} is not from there; allowed are {allowed}"], source="the clip network"
        )
    if not Path(weights).is_file():
        raise SetupError(f"there is no file of pre-trained weights {weights!r}; allowed are {allowed}")


def load_encoder(encoder: nn.Module, path: str | Path, *, least: float = LEAST_LOADED) -> LoadingReport:
    """Load a file's weights into an encoder; it stays as it is if too little fits.

    The file is a state dict, or a checkpoint that holds one under any keys ("state_dict", "model", ...). What stands
    before the encoder's names ("module.", "encoder.", "backbone.", "module.encoder_q.encoder.", ...) is found by what
    fits the most values. A classifier is never loaded, since an encoder has none.

    Args:
        encoder: Returns features, without a classifier.
        path: Of the file; read with torch's safe loader.
        least: Fraction of the encoder's values that must be loaded.

    Raises:
        CheckpointError: if the file cannot be read, holds values that are not finite, or less than `least` fits.
    """
    return load_state(encoder, read_checkpoint(Path(path)), source=str(path), least=least)


def load_from_hub(encoder: nn.Module, name: str) -> LoadingReport:
    """Load torchvision's best weights of a network into it.

    Raises:
        SetupError: if they cannot be downloaded.
    """
    from video_triplet.clips.torchvision_encoders import hub_weights

    try:
        state = hub_weights(name)
    except (OSError, RuntimeError) as error:  # urllib's errors are OSErrors, a SetupError is a RuntimeError
        reason = error if isinstance(error, SetupError) else f"{type(error).__name__}: {error}"
        raise SetupError(
            f"the pre-trained weights of {name} could not be downloaded from torchvision's hub ({reason}). "
            f"Give a local file of them, or train from scratch with weights 'none'"
        ) from error
    return load_state(encoder, state, source="torchvision's hub", least=1.0)


def load_state(encoder: nn.Module, checkpoint: Any, *, source: str, least: float = LEAST_LOADED) -> LoadingReport:
    """Load the part of a checkpoint that fits best; arguments and errors as of `load_encoder`."""
    state = encoder.state_dict()
    best = _best_candidate(checkpoint, state)
    fitting = best.fitting(state)
    broken = [name for name, values in fitting.items() if not torch.isfinite(values).all()]
    if broken:
        raise CheckpointError(f"{source} holds values that are not finite:\n{_listed('first', broken)}")
    fraction = _count(state, fitting) / max(1, _count(state, state))
    report = _report(source, best, state, fitting, fraction, weights_hash({**state, **fitting}))
    if not fitting or fraction < least:
        raise CheckpointError(
            f"{source} does not fit this encoder: at least {100 * least:.2f} % of its values must be there\n{report}\n"
            "Give the weights of this very encoder, or a lower --least-loaded if the rest may start fresh"
        )
    encoder.load_state_dict({**state, **fitting})
    return report


def read_checkpoint(path: Path) -> Any:
    """Read a file of tensors, numbers and text.

    Raises:
        CheckpointError: if it is missing, broken, or holds other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file of pre-trained weights {path}") from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is no checkpoint of tensors, numbers and text alone, or it is broken. If you trust "
            "its source, load it with torch.load(..., weights_only=False) and save its state dict to a new file"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read ({type(error).__name__}: {error}); copy it again") from error


def _best_candidate(checkpoint: Any, state: Mapping[str, Tensor]) -> _Candidate:
    """Return the table and prefix that fit most values; then the trained copy, the shorter prefix, the first one."""
    best, best_rank = _Candidate("", "", {}), (0, False, 0)
    for table, tensors in _tables(checkpoint):
        for prefix in _prefixes(tensors, state):
            candidate = _Candidate(table, prefix, tensors)
            slow = any(part in SLOW_COPIES for part in prefix.split("."))
            rank = (_count(state, candidate.fitting(state)), not slow, -len(prefix))
            if not best.tensors or rank > best_rank:
                best, best_rank = candidate, rank
        if not best.tensors:
            best = _Candidate(table, "", tensors)
    return best


def _tables(checkpoint: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every table of named tensors in a checkpoint, with the keys that lead to it."""
    if not isinstance(checkpoint, Mapping) or depth > DEEPEST_TABLE:
        return
    tensors = {key: v for key, v in checkpoint.items() if isinstance(key, str) and isinstance(v, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in checkpoint.items():
        yield from _tables(value, f"{name}.{key}".lstrip("."), depth + 1)


def _prefixes(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, None]:
    """Return every prefix under which at least one of the encoder's names is in a table, in the table's order."""
    prefixes: dict[str, None] = {}
    for name in tensors:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in state:
                prefixes["".join(f"{part}." for part in parts[:start])] = None
    return prefixes


def _report(
    source: str,
    best: _Candidate,
    state: Mapping[str, Tensor],
    fitting: Mapping[str, Tensor],
    fraction: float,
    digest: str,
) -> LoadingReport:
    theirs = {name: best.tensors.get(best.prefix + name) for name in state}
    misshapen = tuple(
        (name, tuple(values.shape), tuple(state[name].shape))
        for name, values in theirs.items()
        if values is not None and name not in fitting
    )
    ours = {best.prefix + name for name in state}
    return LoadingReport(
        source=source,
        table=best.table,
        prefix=best.prefix,
        matched=tuple(fitting),
        missing=tuple(name for name, values in theirs.items() if values is None),
        unexpected=tuple(name for name in best.tensors if name not in ours),
        misshapen=misshapen,
        fraction=fraction,
        weights_hash=digest,
    )


def _alike(values: Tensor, ours: Tensor) -> bool:
    return values.shape == ours.shape and values.is_floating_point() == ours.is_floating_point()


def _count(state: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> int:
    """Return how many real numbers of the encoder have these names; counters of batches are none."""
    return sum(state[name].numel() for name in names if state[name].is_floating_point())


def _listed(title: str, names: Sequence[str]) -> str:
    """Return a line with the number of names and the first of them."""
    shown = ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")
    return f"  {title}: {len(names)}" + (f" ({shown})" if names else "")
