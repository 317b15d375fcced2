"""Where pre-trained weights come from: hubs, asked only where they can be reached, and files without a classifier."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
from torch import Tensor, nn

from nnunet_dsd.common.errors import SetupError

PATIENCE_SECONDS = 5.0


def require_reachable(url: str, *, wanted: str) -> None:
    """Try to reach a server once, in seconds, where a library's own attempts take most of a minute.

    An answer of any kind counts, also a refusal or a certificate that Python does not know: the library may do better.

    Args:
        url: Of the server, or of anything on it; proxies are those of the environment.
        wanted: What is to be had there.

    Raises:
        SetupError: if there is no way to the server.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLError):
            raise SetupError(f"{wanted} cannot be downloaded: no way to {url} ({reason})") from error


def cached_timm_weights(name: str) -> Path | None:
    """Return the file of a timm model's weights that an earlier download has left, or None."""
    from huggingface_hub import try_to_load_from_cache
    from timm.models._hub import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    config = timm.get_pretrained_cfg(name)
    if not config.hf_hub_id or config.custom_load:
        return None
    names = (config.hf_hub_filename,) if config.hf_hub_filename else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)
    found = (try_to_load_from_cache(config.hf_hub_id, filename) for filename in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def require_timm_hub(name: str) -> None:
    """Refuse at once to download a timm model's weights where their server cannot be reached.

    Raises:
        SetupError: if it cannot.
    """
    from huggingface_hub import constants

    config = timm.get_pretrained_cfg(name)
    if config.hf_hub_id and constants.HF_HUB_OFFLINE:
        return  # huggingface_hub itself says at once that it may not
    require_reachable(constants.ENDPOINT if config.hf_hub_id else config.url, wanted=f"the weights of {name}")


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Return the named tensors of a file, as timm reads it; nothing where timm cannot say."""
    try:
        found = timm.models.load_state_dict(str(path))
        return {name: values for name, values in found.items() if isinstance(values, Tensor)}
    except Exception:  # timm's own attempt has failed or will; its error is the one to show
        return {}


def with_classifier(weights: Mapping[str, Tensor], fresh: nn.Module) -> dict[str, Any] | None:
    """Return weights with a fresh network's classifier, or None if they are empty or have one.

    By a classifier's name timm tells which layout a file has; it is not loaded where the classes differ.
    """
    given = cast(Any, fresh).pretrained_cfg["classifier"]
    names = (given,) if isinstance(given, str) else tuple(given or ())
    own = {key: value for key, value in fresh.state_dict().items() if key.rpartition(".")[0] in names}
    if not weights or any(key in weights for key in own):
        return None
    return {**weights, **own}


def unfitting(weights: Mapping[str, Tensor], fresh: nn.Module) -> str:
    """Return in words how much of a network is among weights, and what is missing or of another shape."""
    state = fresh.state_dict()
    fitting = [name for name, value in state.items() if name in weights and weights[name].shape == value.shape]
    missing = [name for name in state if name not in weights]
    other = [name for name in state if name in weights and weights[name].shape != state[name].shape]
    parts = [f"{len(fitting)} of the network's {len(state)} tensors are there as they must be"]
    for title, names in (("missing", missing), ("of another shape", other)):
        if names:
            parts.append(f"{len(names)} {title}, first {', '.join(names[:3])}")
    return "; ".join(parts)
