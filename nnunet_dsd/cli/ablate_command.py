"""`nnunet-dsd ablate`: a declared study, run by nnU-Net's own commands."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.ablation.study import DEVICES
from nnunet_dsd.common.errors import DataError, SettingsError, SetupError

if TYPE_CHECKING:
    from nnunet_dsd.ablation.places import Places
    from nnunet_dsd.ablation.study import Study

SUMMARY = "run a declared study (trainers, plans, folds, seeds) by nnU-Net's own commands, and report on it"
PAPERS = ("hippocampus", "mmwhs", "brats")
TABLES = ("ablations", "temperatures", "sizes", "backbones")
NETWORKS = ("nnunet", "dynunet", "unetr")
JOB_FORMATS = ("shell", "parallel", "slurm")
DEFAULT_FOLDER = "nnunet_dsd_studies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which study, where to, what to do, and how."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("study", nargs="?", type=Path, metavar="STUDY", help="study file (JSON)")
    which.add_argument("--paper", choices=PAPERS, help="a study of the paper's, on this data set")
    parser.add_argument(
        "--table", choices=TABLES, default=TABLES[0], help="with --paper: which table (default: %(default)s)"
    )
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        help=f"with --paper: which network (default: {NETWORKS[0]}, as planned; the paper's is dynunet)",
    )
    parser.add_argument("-o", "--output", type=Path, help=f"folder of the study (default: {DEFAULT_FOLDER}/NAME)")
    parser.add_argument("--device", choices=DEVICES, help="wins over the study's device")
    parser.add_argument("--keep-going", action="store_true", help="after a run has failed go on with the next one")
    parser.add_argument("--only-runs", nargs="+", metavar="RUN", help="only these runs, by the names of --print-jobs")
    instead = parser.add_argument_group("instead of running").add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="show what is done, unfinished and missing")
    instead.add_argument("--dry-run", action="store_true", help="check everything and show the commands")
    instead.add_argument("--print-jobs", choices=JOB_FORMATS, help="print the missing runs as a list of jobs")
    instead.add_argument("--print-study", action="store_true", help="print the study with every entry written out")
    instead.add_argument("--only-plans", action="store_true", help="write the derived plans, run nothing")
    instead.add_argument("--only-report", action="store_true", help="score and compare what is trained, train nothing")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; the status is 1 if a run failed."""
    from rich.console import Console

    from nnunet_dsd.ablation.session import Session
    from nnunet_dsd.ablation.study import study_to_dict

    study, problems = _read_study(arguments)
    if arguments.print_study:
        if problems:
            raise SettingsError(problems, source="the study")
        print(json.dumps(study_to_dict(study), indent=2))
        return 0
    folder = arguments.output or Path(DEFAULT_FOLDER) / study.name
    session = Session(study, problems, _find_places(study, folder, problems), Console())
    if arguments.list:
        session.show()
    elif arguments.dry_run:
        session.show_commands()
    elif arguments.print_jobs:
        session.print_jobs(
            arguments.print_jobs, ("nnunet-dsd", "ablate", *_source(arguments), "-o", str(session.places.study))
        )
    elif arguments.only_plans:
        session.write_plans()
    elif arguments.only_report:
        return session.report()
    else:
        return session.run(arguments.only_runs, keep_going=arguments.keep_going)
    return 0


def _read_study(arguments: argparse.Namespace) -> tuple[Study, list[str]]:
    from nnunet_dsd.ablation.papers import paper_study
    from nnunet_dsd.ablation.study_file import load_study, study_from_dict

    if arguments.paper:
        study, problems = study_from_dict(paper_study(arguments.paper, arguments.table, arguments.network))
    else:
        study, problems = load_study(arguments.study)
    return (dataclasses.replace(study, device=arguments.device) if arguments.device else study), problems


def _find_places(study: Study, folder: Path, problems: list[str]) -> Places:
    """Find the study's data; where there are none, the study's other problems are reported with that one."""
    from nnunet_dsd.ablation.places import find_places

    if not study.dataset:  # nothing else can be looked at
        raise SettingsError(problems, source="the study")
    try:
        return find_places(study, folder)
    except (DataError, SetupError) as error:
        if problems:
            raise SettingsError([*problems, str(error)], source="the study") from error
        raise


def _source(arguments: argparse.Namespace) -> list[str]:
    """Return the words that name the study and how it is run, for the commands of a job list."""
    device = ["--device", arguments.device] if arguments.device else []
    network = ["--network", arguments.network] if arguments.network else []
    if arguments.paper:
        return ["--paper", arguments.paper, "--table", arguments.table, *network, *device]
    return [str(arguments.study.absolute()), *device]
