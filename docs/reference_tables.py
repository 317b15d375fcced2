"""MkDocs hook: fills tables and help texts of the pages from the code, so that they cannot go stale.

A page asks for one with a comment of its own line: `<!-- table: settings -->`, `<!-- help: plan -->` for a subcommand
of `nnunet-dsd`, `<!-- triplet-help: train -->` for one of `video-triplet`. A comment that asks for something unknown
stops the build. `python docs/reference_tables.py` prints everything. The line after a comment tells readers of the
source where to look; it is replaced with the comment.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnunet_dsd.cli.main import SUBCOMMANDS, load_subcommand
from nnunet_dsd.common.declared_settings import declared_choices, declared_type, declares_numbers
from nnunet_dsd.config.settings import PARTS, Settings, read_settings, setting_choices, setting_specs, setting_type
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.presets import PRESETS
from nnunet_dsd.registry import all_trainers
from nnunet_dsd.trainers.readers import readers_of_part
from video_triplet.cli import main as triplet_cli
from video_triplet.clips.settings import CLIP_PRESETS, ClipSettings
from video_triplet.data import problems
from video_triplet.data.split_tables import CROSS_VALIDATIONS, FIXED_SPLITS
from video_triplet.settings import PRESETS as TRIPLET_PRESETS
from video_triplet.settings import Presets, TripletSettings
from video_triplet.study.configurations import CONFIGURATIONS, PUBLISHED

DOCS = Path(__file__).parent
REQUEST = re.compile(
    r"^<!-- (?P<kind>table|help|triplet-help|value): (?P<name>[\w-]+) -->(?:\n\*\(shown on the built page[^\n]*\)\*)?$",
    re.MULTILINE,
)
EVIDENCE = "<!-- evidence -->"
EVIDENCE_PAGE = "explanation/evidence-hippocampus.md"
TRIPLET_EVIDENCE = "<!-- triplet-evidence -->"
TRIPLET_EVIDENCE_PAGE = "explanation/evidence-triplets.md"
HELP_WIDTH = 100
# Settings that carry one of the paper's symbols; all others have none.
SYMBOLS = {
    "temperature": "T (Eq. 2, 4)",
    "alpha": "α (Eq. 5)",  # noqa: RUF001 - the paper's symbol
    "beta": "β (Eq. 5)",
    "eta": "η (Eq. 3)",
    "eta_decay": "ηᵢ = η · decayⁱ",
    "teacher": "teacher of Eq. 5, Table 6",
}


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Fill what a page asks for; MkDocs calls this for each page."""
    return fill(markdown, folder=Path(page.file.src_uri).parent if page else Path("explanation"))


def fill(markdown: str, *, folder: Path = Path("explanation")) -> str:
    """Return a page with every request answered; `folder` is the page's own, below docs.

    Raises:
        KeyError: if a page asks for something unknown.
    """
    filled = REQUEST.sub(lambda found: answer(found["kind"], found["name"]), markdown)
    return filled.replace(EVIDENCE, evidence()).replace(TRIPLET_EVIDENCE, triplet_evidence(folder))


def answer(kind: str, name: str) -> str:
    """Return one table, help text or value as Markdown."""
    if kind in HELP_TEXTS:
        return f"```text\n{HELP_TEXTS[kind](name)}```"
    return GENERATORS[name]()


def evidence() -> str:
    """Return a link to the measurements, or a sentence that there are none yet."""
    if (DOCS / EVIDENCE_PAGE).is_file():
        return f"The measurements behind the defaults: [evidence on Hippocampus]({Path(EVIDENCE_PAGE).name})."
    return "The measurements behind the defaults are under way and not published here yet."


def triplet_evidence(folder: Path) -> str:
    """Return a link to the measurements of triplets, or a sentence that there are none yet."""
    if (DOCS / TRIPLET_EVIDENCE_PAGE).is_file():
        target = Path(os.path.relpath(TRIPLET_EVIDENCE_PAGE, folder)).as_posix()
        return f"What was measured, and on what: [evidence on triplets]({target})."
    return "Measurements on rendered videos are under way and not published here yet."


def help_text(subcommand: str) -> str:
    """Return what `nnunet-dsd SUBCOMMAND --help` prints, at a fixed width."""
    if subcommand not in SUBCOMMANDS:
        raise KeyError(subcommand)
    return help_of(load_subcommand(subcommand), f"nnunet-dsd {subcommand}")


def triplet_help_text(subcommand: str) -> str:
    """Return what `video-triplet SUBCOMMAND --help` prints, at a fixed width."""
    if subcommand not in triplet_cli.SUBCOMMANDS:
        raise KeyError(subcommand)
    return help_of(triplet_cli.load_subcommand(subcommand), f"video-triplet {subcommand}")


def help_of(module: Any, program: str) -> str:
    """Return the help text of a subcommand's module, at a fixed width."""

    def formatter(prog: str) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(prog, width=HELP_WIDTH)

    parser = argparse.ArgumentParser(prog=program, description=module.SUMMARY, formatter_class=formatter)
    module.add_arguments(parser)
    return parser.format_help()


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def shown(value: Any) -> str:
    """Return a value as it is written in a plans file."""
    words = {None: "none", True: "true", False: "false"}
    text = (
        words[value]
        if value is None or isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else value
    )
    return f"`{text}`"


def allowed(spec: dataclasses.Field[Any]) -> str:
    """Return which values a setting takes."""
    choices = setting_choices(spec.name)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if setting_type(spec.name) is bool:
        return "`true`, `false`"
    return limits(spec)


def limits(spec: dataclasses.Field[Any]) -> str:
    """Return the range of a number."""
    low, high = spec.metadata["low"], spec.metadata["high"]
    texts = [] if low == -math.inf else [f"{'>' if spec.metadata['open_low'] else '≥'} {low:g}"]
    texts += [] if high == math.inf else [f"≤ {high:.10g}"]
    return ", ".join(texts) or "any"


def settings_table() -> str:
    """Return every part of the settings with who reads it, and a table of its settings."""
    return "\n\n".join(
        f"### `{part}`: {owner.title}\n\nThis part is {readers_of_part(part)}.\n\n{part_table(part)}"
        for part, owner in PARTS.items()
    )


def part_table(part: str) -> str:
    """Return every setting of a part with type, default, allowed values, meaning and symbol."""
    rows = []
    for spec in setting_specs(part):
        kind = "word" if setting_choices(spec.name) else setting_type(spec.name).__name__
        kind = "list of int" if declares_numbers(setting_type(spec.name)) else kind
        optional = " or none" if spec.default is None else ""
        meaning = spec.metadata["help"]
        symbol = SYMBOLS.get(spec.name, "")
        rows.append((f"`{spec.name}`", kind + optional, shown(spec.default), allowed(spec), meaning, symbol))
    return table(("name", "type", "default", "allowed", "meaning", "symbol"), rows)


def presets_table() -> str:
    """Return every preset with what it sets beyond the defaults."""
    rows = []
    for name, preset in PRESETS.items():
        changed = differing(preset.settings)
        texts = [f"{key} {shown(value)}" for key, value in changed.items()]
        texts += [f"batch size `{preset.batch_size}`"] if preset.batch_size else []
        texts += [f"patch size `{' '.join(map(str, preset.patch_size))}`"] if preset.patch_size else []
        texts += [f"width `{preset.width:g}`"] if preset.width else []
        rows.append((f"`{name}`", preset.summary, ", ".join(texts)))
    return table(("preset", "what it is", "differs from the defaults in"), rows)


def differing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some settings that are not the default."""
    defaults = Settings().flat()
    return {name: value for name, value in settings.items() if value != defaults[name]}


def paper_table() -> str:
    """Return where the default loss and training differ from the paper's on Hippocampus."""
    defaults, training = Settings().flat(), Settings().training
    own = {"learning_rate": training.initial_learning_rate, "weight_decay": training.chosen_weight_decay}
    rows = [
        (f"`{name}`", shown(value), shown(own.get(name, defaults[name])))
        for name, value in differing(PRESETS["paper-hippocampus"].settings).items()
    ]
    return table(("setting", "paper (Hippocampus)", "default here"), rows)


def trainers_table() -> str:
    """Return every registered segmentation trainer with what its settings are and which of them are fixed."""
    rows = []
    for entry in all_trainers("segmentation"):
        trainer: Any = entry.load()
        fixed = ", ".join(f"{key} {shown(value)}" for key, value in trainer.fixed.items())
        own = ", ".join(f"{key} {shown(value)}" for key, value in trainer.defaults.items())
        rows.append((f"`{entry.name}`", entry.summary, fixed or "none", own or "none"))
    return table(("trainer", "what it is", "fixed settings", "defaults of its own"), rows)


def trainer_effects_table() -> str:
    """Return the weights and the teacher that each ablation on nnU-Net's networks uses where the plans are silent."""
    rows = []
    for entry in all_trainers("segmentation"):
        trainer: Any = entry.load()
        if trainer.__module__ != "nnunet_dsd.trainers.variants" or not hasattr(trainer, "build_heads"):
            continue
        used = read_settings(None, defaults=trainer.defaults, fixed=trainer.fixed).dual
        values = (used.eta, used.alpha, used.beta, used.feature_l2)
        rows.append((f"`{entry.name}`", *(f"{value:g}" for value in values), used.teacher))
    return table(("trainer", "η", "α", "β", "L2", "teacher"), rows)  # noqa: RUF001


def default_formula() -> str:
    """Return the default loss of a network with four stages, as the training log prints it."""
    from nnunet_dsd.distillation.objective import term_weights
    from nnunet_dsd.distillation.terms import formula

    text = formula(term_weights(DualSettings(), levels=3)).replace(" + ", "\n+ ")
    return f"```text\n{text}\n```"


def triplet_settings_table() -> str:
    """Return every setting of a triplet training with type, default, allowed values and meaning."""
    return training_settings_table(TripletSettings)


def clip_settings_table() -> str:
    """Return the same for a training on clips."""
    return training_settings_table(ClipSettings)


def training_settings_table(owner: type[Any]) -> str:
    """Return every setting of a class with type, default, allowed values and meaning."""
    rows = []
    for spec in dataclasses.fields(owner):
        choices, declared = declared_choices(owner, spec.name), declared_type(owner, spec.name)
        kind = "word" if choices else {str: "text"}.get(declared, getattr(declared, "__name__", ""))
        values = (
            ", ".join(f"`{choice}`" for choice in choices)
            if choices
            else "`true`, `false`"
            if declared is bool
            else limits(spec)
            if declared is not str
            else "any"
        )
        rows.append((f"`{spec.name}`", kind, shown(spec.default), values, spec.metadata["help"]))
    return table(("name", "type", "default", "allowed", "meaning"), rows)


def triplet_presets_table() -> str:
    """Return every preset of `video-triplet train` with what it sets."""
    return training_presets_table(TRIPLET_PRESETS)


def clip_presets_table() -> str:
    """Return every preset of `video-triplet train-clips` with what it sets."""
    return training_presets_table(CLIP_PRESETS)


def training_presets_table(presets: Presets) -> str:
    """Return every one of some presets with what it sets."""
    rows = [
        (f"`{name}`", text, ", ".join(f"{key} {shown(value)}" for key, value in values.items()) or "nothing")
        for name, (text, values) in presets.items()
    ]
    return table(("preset", "what it is", "sets"), rows)


def triplet_trainers_table() -> str:
    """Return every registered trainer for triplets with its role, what is fixed, and its own defaults."""
    header = ("trainer", "role", "what it is", "fixed settings", "defaults of its own")
    return table(header, video_trainer_rows(with_role=True))


def clip_trainers_table() -> str:
    """Return every registered trainer for clips with what is fixed and its own defaults."""
    return table(
        ("trainer", "what it is", "fixed settings", "defaults of its own"), video_trainer_rows(with_role=False)
    )


def video_trainer_rows(*, with_role: bool) -> list[tuple[str, ...]]:
    """Return the rows of the trainers that have a role, teacher or student, or of those that have none."""
    rows = []
    for entry in all_trainers("video"):
        trainer: Any = entry.load()
        if hasattr(trainer, "role") != with_role:
            continue
        fixed = ", ".join(f"{key} {shown(value)}" for key, value in trainer.fixed.items())
        own = ", ".join(f"{key} {shown(value)}" for key, value in trainer.defaults.items())
        role = (trainer.role,) if with_role else ()
        rows.append((f"`{entry.name}`", *role, entry.summary, fixed or "none", own or "none"))
    return rows


def triplet_configurations_table() -> str:
    """Return the rows of the paper's Table 1: trainers, members, and the published numbers."""
    rows = []
    for row in CONFIGURATIONS.values():
        trainers = " → ".join(f"`{name}`" for name in (row.teacher, row.student) if name)
        published = " / ".join(f"{value:.1f}" for value in PUBLISHED.get(row.name, ())) or "none"
        rows.append(
            (f"`{row.name}`", trainers or f"mean of {', '.join(f'`{name}`' for name in row.members)}", published)
        )
    return table(("configuration", "trainers", "published mAP / top-5 (%)"), rows)


def triplet_splits_table() -> str:
    """Return the official splits with their folds and numbers of videos."""
    rows = []
    for name, folds in CROSS_VALIDATIONS.items():
        sizes = sorted({len(fold) for fold in folds})
        rows.append((f"`{name}`", str(sum(map(len, folds))), f"{len(folds)} folds of {', '.join(map(str, sizes))}"))
    for name, parts in FIXED_SPLITS.items():
        counts = [f"{len(videos)} {part}" for part, videos in parts.items()]
        rows.append((f"`{name}`", str(sum(map(len, parts.values()))), ", ".join(counts)))
    return table(("split", "videos", "parts"), rows)


def triplet_problems_table() -> str:
    """Return every kind of problem that `video-triplet check` reports."""
    return table(
        ("kind", "severity"), [(kind, "error" if problems.is_error(kind) else "note") for kind in problems.KINDS]
    )


HELP_TEXTS: Mapping[str, Callable[[str], str]] = {"help": help_text, "triplet-help": triplet_help_text}
GENERATORS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "presets": presets_table,
    "paper": paper_table,
    "trainers": trainers_table,
    "trainer-effects": trainer_effects_table,
    "default-formula": default_formula,
    "triplet-settings": triplet_settings_table,
    "triplet-presets": triplet_presets_table,
    "triplet-trainers": triplet_trainers_table,
    "triplet-configurations": triplet_configurations_table,
    "triplet-splits": triplet_splits_table,
    "triplet-problems": triplet_problems_table,
    "clip-settings": clip_settings_table,
    "clip-presets": clip_presets_table,
    "clip-trainers": clip_trainers_table,
}


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", str(HELP_WIDTH))
    for generator in GENERATORS.values():
        print(generator(), end="\n\n")
    for subcommand in SUBCOMMANDS:
        print(help_text(subcommand))
    for subcommand in triplet_cli.SUBCOMMANDS:
        print(triplet_help_text(subcommand))
