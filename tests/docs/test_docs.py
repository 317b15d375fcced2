"""The pages and the README say what the code says: settings, trainers, commands, terms, messages, links."""

import argparse
import ast
import dataclasses
import functools
import importlib.util
import json
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from nnunet_dsd.cli.main import SUBCOMMANDS, build_parser, load_subcommand
from nnunet_dsd.config.settings import PARTS, setting_names, setting_specs
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.presets import PRESETS
from nnunet_dsd.trainers.catalog import ENTRIES
from video_triplet.cli import main as triplet_cli
from video_triplet.clips.settings import CLIP_PRESETS, ClipSettings
from video_triplet.settings import PRESETS as TRIPLET_PRESETS
from video_triplet.settings import TripletSettings
from video_triplet.trainers.catalog import CLIP_ENTRIES, TRIPLET_ENTRIES

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md"]
ROOT_FILES = [REPOSITORY / name for name in ("mkdocs.yml", "CITATION.cff", ".ci/run")]
KNOWN_HOSTS = {"github.com", "www.apache.org"}
# Placeholders that are shell syntax or variables in the examples, and what they stand for.
EXAMPLE_VALUES = {"$trainer": "DSD", "$fold": "0", "$T": "2"}

ON_NNUNET_NETWORKS = [entry for entry in ENTRIES if not entry.target.startswith("nnunet_dsd.trainers.backbones:")]

PARSERS = {"nnunet-dsd": build_parser(), "video-triplet": triplet_cli.build_parser()}
LOADERS = {"nnunet-dsd": load_subcommand, "video-triplet": triplet_cli.load_subcommand}
KNOWN_SUBCOMMANDS = {"nnunet-dsd": SUBCOMMANDS, "video-triplet": triplet_cli.SUBCOMMANDS}

each_program = pytest.mark.parametrize("program", PARSERS)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@pytest.fixture(scope="module")
def tables():
    """The MkDocs hook that fills the pages."""
    spec = importlib.util.spec_from_file_location("reference_tables", DOCS / "reference_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shell_lines(text):
    """Every line of the shell blocks of a page, continued lines joined, comments dropped."""
    for block in re.findall(r"```bash[^\n]*\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for sign, value in EXAMPLE_VALUES.items():
                line = line.replace(sign, value)
            yield line


def commands(text, program):
    """Every call of a program in the shell blocks of a page, as words, wherever it stands in its line."""
    for line in shell_lines(text):
        for part in re.split(r"&&|;|\||&$|\$\(|\)", line.strip()):
            words = shlex.split(part.split(" > ")[0].strip(' "'), comments=True)
            while words and ("=" in words[0] or words[0] in ("do", "then", "eval", "export")):
                words = words[1:]
            if words and re.fullmatch(program, words[0]):
                yield words


def without_code(text):
    """A page without its code, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def anchors(text):
    """The anchors of a page's headings, as MkDocs makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@functools.cache
def message_templates():
    """Every string in the code, with `…` where a value is put in."""
    return tuple(
        template
        for name in ("nnunet_dsd", "video_triplet")
        for path in sorted((REPOSITORY / name).rglob("*.py"))
        for template in templates_of(path.read_text())
    )


def templates_of(source):
    """Every string in a file, with `…` where a value is put in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@each_page
@each_program
def test_every_command_of_ours_parses(page, program):
    for words in commands(page.read_text(), program):
        if "--help" in words or "--version" in words:
            continue
        try:
            PARSERS[program].parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"does not parse: {shlex.join(words)}")


@each_program
def test_the_pages_hold_commands_of_ours_at_all(program):
    assert sum(len(list(commands(page.read_text(), program))) for page in PAGES) > 20


@each_page
@each_program
def test_every_command_mentioned_in_a_sentence_exists(page, program):
    for name, rest in re.findall(rf"`{program} ([a-z-]+)([^`]*)`", page.read_text()):
        if name.startswith("--"):
            continue
        assert name in KNOWN_SUBCOMMANDS[program]
        parser = argparse.ArgumentParser()
        LOADERS[program](name).add_arguments(parser)
        known = parser.format_help()
        assert [flag for flag in re.findall(r"(?<!\S)-[\w-]+", rest) if flag not in known] == []


@each_page
def test_every_command_of_nnunet_exists(page):
    scripts = {script.name for script in entry_points(group="console_scripts")}
    mentioned = set(re.findall(r"\bnnUNetv2_\w+", page.read_text()))
    assert mentioned - scripts == set()


@each_page
def test_every_trainer_named_in_a_command_is_registered(page):
    known = {entry.name for entry in ENTRIES} | {"nnUNetTrainer", "nnUNetTrainerShortTraining"}
    for words in commands(page.read_text(), r"nnUNetv2_\w+"):
        named = [word for word in words if word.startswith("nnUNetTrainer") and "__" not in word]
        assert set(named) <= known


@each_page
def test_every_triplet_trainer_named_in_a_command_is_registered(page):
    known = {
        "train": {entry.name for entry in TRIPLET_ENTRIES} | {"SwinTripletFocalTeacher"},
        "train-clips": {entry.name for entry in CLIP_ENTRIES},
    }
    for words in commands(page.read_text(), "video-triplet"):
        if words[1] in known and "--help" not in words:
            assert PARSERS["video-triplet"].parse_args(words[1:]).trainer in known[words[1]]


@each_page
def test_every_link_leads_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = page if not name else (page.parent / name).resolve()
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


@pytest.mark.parametrize("path", [*PAGES, *ROOT_FILES], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_developers_folder_and_no_unknown_host_is_named(path):
    text = path.read_text()
    assert re.findall(r"(?<![\w.~])/(?:work|home|root|Users|scratch)/\S*", text) == []
    assert set(re.findall(r"https?://([\w.-]+)", text)) <= KNOWN_HOSTS


def test_every_page_is_in_the_navigation():
    text = (REPOSITORY / "mkdocs.yml").read_text()
    listed = re.findall(r"\S+\.md", text.partition("\nnav:")[2])
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_settings_table_has_every_setting(tables):
    text = tables.settings_table()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(setting_names())
    assert re.findall(r"^### `(\w+)`", text, re.MULTILINE) == list(PARTS)
    assert all("`" in row.split(" | ")[2] for row in rows)
    assert set(tables.SYMBOLS) <= set(setting_names())
    assert "This part is read by nnUNetTrainerMISSU, and those of other networks" in text


def test_a_default_is_shown_as_the_code_has_it(tables):
    lines = [line for line in tables.settings_table().splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line.split(" | ")[2].strip("`") for line in lines}
    defaults = {spec.name: spec.default for spec in setting_specs()}
    assert float(rows["temperature"]) == defaults["temperature"]
    assert int(rows["epochs"]) == defaults["epochs"]
    assert rows["teacher"] == defaults["teacher"]
    assert rows["detach_teacher"] == str(defaults["detach_teacher"]).lower()


def test_the_presets_table_has_every_preset(tables):
    assert [row.split("`")[1] for row in tables.presets_table().splitlines()[2:]] == list(PRESETS)


def test_the_trainers_table_has_every_trainer(tables):
    names = {row.split("`")[1] for row in tables.trainers_table().splitlines()[2:]}
    assert {entry.name for entry in ENTRIES} <= names


def test_the_ablation_page_has_every_trainer():
    text = (DOCS / "how-to/run-the-ablations.md").read_text()
    assert set(re.findall(r"^\| `(nnUNetTrainer\w+)` \|", text, re.MULTILINE)) == {
        entry.name for entry in ON_NNUNET_NETWORKS if not entry.name.endswith(("HLFD", "KD", "EpochSD"))
    }


def test_the_page_of_other_networks_has_every_network_and_every_ending():
    text = (DOCS / "how-to/train-other-networks.md").read_text()
    named = set(re.findall(r"`(nnUNetTrainer\w+)`", text))
    others = {entry.name for entry in ENTRIES if entry not in ON_NNUNET_NETWORKS}
    plain = {name for name in others if "_" not in name}
    assert plain <= named <= others
    assert {f"_{name.partition('_')[2]}" for name in others - plain} == set(re.findall(r"`(_\w+)`", text))


def python_blocks(page):
    """Every Python block of a page, in order, as one program each."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("block", python_blocks("how-to/keep-pretrained-knowledge.md"))
def test_the_examples_of_keeping_knowledge_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "keep-pretrained-knowledge.md", "exec"), {})


@pytest.mark.parametrize("block", python_blocks("how-to/attach-to-any-network.md"))
def test_the_examples_of_attaching_to_any_network_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "attach-to-any-network.md", "exec"), {})


def test_the_command_page_asks_for_the_help_of_every_subcommand(tables):
    text = (DOCS / "reference/cli.md").read_text()
    assert set(re.findall(r"<!-- help: ([\w-]+) -->", text)) == set(SUBCOMMANDS)
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(SUBCOMMANDS)
    for name in SUBCOMMANDS:
        assert tables.help_text(name).startswith(f"usage: nnunet-dsd {name} ")


def test_the_triplet_settings_table_has_every_setting_with_its_default(tables):
    rows = {row.split("`")[1]: row.split(" | ")[2] for row in tables.triplet_settings_table().splitlines()[2:]}
    assert list(rows) == [spec.name for spec in dataclasses.fields(TripletSettings)]
    assert float(rows["learning_rate"].strip("`")) == TripletSettings().learning_rate
    assert rows["head_set"] == f"`{TripletSettings().head_set}`"


def test_the_triplet_settings_page_has_every_preset(tables):
    assert [row.split("`")[1] for row in tables.triplet_presets_table().splitlines()[2:]] == list(TRIPLET_PRESETS)


def test_the_triplet_trainers_table_has_every_trainer(tables):
    names = {row.split("`")[1] for row in tables.triplet_trainers_table().splitlines()[2:]}
    assert {entry.name for entry in TRIPLET_ENTRIES} <= names
    clips = {row.split("`")[1] for row in tables.clip_trainers_table().splitlines()[2:]}
    assert clips == {entry.name for entry in CLIP_ENTRIES}


def test_the_clip_tables_have_every_setting_and_every_preset(tables):
    rows = {row.split("`")[1]: row.split(" | ")[2] for row in tables.clip_settings_table().splitlines()[2:]}
    assert list(rows) == [spec.name for spec in dataclasses.fields(ClipSettings)]
    assert rows["epoch_reduction"] == "`mean`"
    assert [row.split("`")[1] for row in tables.clip_presets_table().splitlines()[2:]] == list(CLIP_PRESETS)


def test_the_triplet_command_page_asks_for_the_help_of_every_subcommand(tables):
    text = (DOCS / "reference/triplet-cli.md").read_text()
    assert set(re.findall(r"<!-- triplet-help: ([\w-]+) -->", text)) == set(triplet_cli.SUBCOMMANDS)
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(triplet_cli.SUBCOMMANDS)
    for name in triplet_cli.SUBCOMMANDS:
        assert tables.triplet_help_text(name).startswith(f"usage: video-triplet {name} ")


def test_the_predictions_page_describes_every_entry_of_a_file(tmp_path):
    """Names in the page's tables against a file that the code has written."""
    import numpy as np

    from video_triplet.data.provenance import ModelRecord
    from video_triplet.predictions.file import Predictions
    from video_triplet.vocabulary import Vocabulary

    vocabulary = Vocabulary(("grasper",), ("grasp",), ("liver",), (), ((0, 0, 0),))
    record = ModelRecord("SwinTripletTeacher", "0" * 64, 1, 1, 1, ("VID01",), ())
    one = np.array([0])
    probabilities = {"triplet": np.array([[0.5]], dtype=np.float32)}
    Predictions(vocabulary, ("VID02",), one, one, probabilities, (record,)).save(tmp_path / "file.npz")
    with np.load(tmp_path / "file.npz", allow_pickle=False) as file:
        names = {*file.files}
        description = json.loads(file["description"].tobytes())
    text = (DOCS / "reference/predictions-format.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    expected = {name.replace("_triplet", "_HEAD") for name in names} | {*description, *description["models"][0]}
    assert documented == expected | {*description["vocabulary"]}


@each_page
def test_every_request_of_a_page_is_answered(page, tables):
    filled = tables.fill(page.read_text())
    kinds = "table|help|triplet-help|value|evidence|triplet-evidence"
    assert re.findall(rf"^<!-- (?:{kinds})\b.*-->$", filled, re.MULTILINE) == []
    assert "shown on the built page" not in filled


@each_page
def test_who_reads_the_source_of_a_page_is_told_where_its_tables_are(page):
    lines = page.read_text().splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if found := re.fullmatch(r"<!-- (?:table|(help|triplet-help)): ([\w-]+) -->", line):
            programs = {"help": "nnunet-dsd", "triplet-help": "video-triplet", None: ""}
            command = f"{programs[found[1]]} {found[2]} --help" if found[1] else "python docs/reference_tables.py"
            assert after == f"*(shown on the built page, or by `{command}`)*"


def test_a_request_for_something_unknown_stops_the_build(tables):
    for request in ("<!-- table: nothing -->", "<!-- help: nothing -->", "<!-- triplet-help: nothing -->"):
        with pytest.raises(KeyError):
            tables.fill(request)


def test_every_logged_term_is_documented():
    from nnunet_dsd.distillation.objective import term_weights
    from nnunet_dsd.trainers.loss import MONITORED

    text = (DOCS / "reference/log-and-figures.md").read_text()
    documented = {
        name for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    optional = {name: 1.0 for name in setting_names() if name in ("feature_l2", "encoder_supervision")}
    names = {*term_weights(DualSettings(**optional), levels=3), *MONITORED}
    assert {re.sub(r"_\d+$", "_i", name) for name in names} <= documented


def test_the_checkpoint_page_names_our_keys():
    from nnunet_dsd.trainers.checkpoint import HEADS_KEY, SETTINGS_KEY

    text = (DOCS / "reference/checkpoint-format.md").read_text()
    assert all(f"| `{key}` |" in text for key in (HEADS_KEY, SETTINGS_KEY))


def test_the_page_of_grad_cam_has_every_column_and_quotes_messages_of_the_code():
    from nnunet_dsd.attribution.table import HeatRow

    text = (DOCS / "how-to/see-where-a-model-looks.md").read_text()
    columns, _, refusals = text.partition("## The numbers")[2].partition("## When it refuses")
    named = [
        name for row in re.findall(r"^\| (`.+?) \|", columns, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert named == [field.name for field in dataclasses.fields(HeatRow)]
    quoted = re.findall(r"^(?:\||-) `([^`]+)`", columns.partition("An undefined")[2] + refusals, re.MULTILINE)
    assert len(quoted) > 7
    assert [message for message in quoted if not any(message in template for template in message_templates())] == []


def quoted_messages():
    """The messages of ours in the troubleshooting tables, first column, above nnU-Net's."""
    text = (DOCS / "how-to/troubleshoot.md").read_text().partition("## From nnU-Net")[0]
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("message", quoted_messages())
def test_every_quoted_message_is_one_of_the_codes(message):
    assert any(message.strip("…").strip() in template for template in message_templates())


def test_the_troubleshooting_page_quotes_messages_at_all():
    assert len(quoted_messages()) > 30


def test_the_tests_named_on_the_architecture_page_exist():
    text = (DOCS / "development/architecture.md").read_text()
    for name in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (REPOSITORY / name).is_file(), name
