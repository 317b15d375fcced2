"""nnU-Net's own look-up, in an environment with our wheel and the how-to page's example package."""

import json

import pytest

from nnunet_dsd.trainers.catalog import ENTRIES
from video_triplet.trainers.catalog import ENTRIES as VIDEO_ENTRIES

USERS_TRAINERS = """
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
class nnUNetTrainerOfTheUser(nnUNetTrainer): pass
class nnUNetTrainerDSDMean(nnUNetTrainer): pass
"""
# One process asks everything: importing nnU-Net takes seconds.
ASK_NNUNET = """
import json, multiprocessing, pickle, sys

def look_up(name):
    from nnunet_dsd.plugin.lookup import find_with_nnunet
    try:
        return find_with_nnunet(name)
    except Exception as error:
        return error

def is_same_in_child(pickled, name, queue):
    queue.put(pickle.loads(pickled) is look_up(name))

def survives_spawn(name):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=is_same_in_child, args=(pickle.dumps(look_up(name)), name, queue))
    child.start()
    answer = queue.get(timeout=100)
    child.join()
    return answer

if __name__ == "__main__":
    from nnunet_dsd.plugin.lookup import many_lookups

    example, *names = sys.argv[1:]
    with many_lookups():
        found = {name: look_up(name) for name in [example, *names]}
    json.dump({
        "modules": {name: getattr(trainer, "__module__", repr(trainer)) for name, trainer in found.items()},
        "errors": {name: repr(trainer) for name, trainer in found.items() if isinstance(trainer, Exception)},
        "same_again": {name: look_up(name) is found[name] for name in (example, "nnUNetTrainerDSD")},
        "example_survives_spawn": survives_spawn(example),
    }, sys.stdout)
"""
EXAMPLE = "nnUNetTrainerShortTraining"


@pytest.fixture(scope="module")
def environment(with_wheel, example_package):
    with_wheel.install(example_package)
    return with_wheel


@pytest.fixture(scope="module")
def answers(environment, tmp_path_factory):
    """What nnU-Net finds while nnUNet_extTrainer also names a folder of the user's."""
    folder = tmp_path_factory.mktemp("users_trainers")
    (folder / "trainers_of_the_user.py").write_text(USERS_TRAINERS)
    script = tmp_path_factory.mktemp("script") / "ask_nnunet.py"
    script.write_text(ASK_NNUNET)
    names = [EXAMPLE, "nnUNetTrainerOfTheUser", "nnUNetTrainerNobodyHas", *(entry.name for entry in ENTRIES)]
    done = environment.run(environment.python, "-W", "ignore", script, *names, nnUNet_extTrainer=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.name != "nnUNetTrainerDSDMean"])
def test_nnunet_finds_each_of_our_trainers(answers, name):
    assert name not in answers["errors"], answers["errors"][name]
    place = next(entry.target for entry in ENTRIES if entry.name == name).partition(":")[0]
    assert answers["modules"][name] == place


def test_nnunet_finds_the_trainer_of_the_how_to_page(answers):
    assert answers["modules"][EXAMPLE] == "my_trainers.short_training"


def test_a_trainer_is_the_same_class_in_every_look_up_and_in_a_spawned_process(answers):
    assert answers["same_again"] == {EXAMPLE: True, "nnUNetTrainerDSD": True}
    assert answers["example_survives_spawn"]


def test_the_folder_of_the_user_is_searched_and_wins_on_a_name_clash(answers):
    assert answers["modules"]["nnUNetTrainerOfTheUser"] == "trainers_of_the_user"
    assert answers["modules"]["nnUNetTrainerDSDMean"] == "trainers_of_the_user"


def test_an_unknown_trainer_stays_unknown(answers):
    assert "Could not find requested nnunet trainer" in answers["errors"]["nnUNetTrainerNobodyHas"]


def test_list_shows_ours_and_the_example(environment):
    done = environment.run(environment.scripts / "nnunet-dsd", "list", "--json")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    assert {entry["name"] for entry in listing["trainers"]} == {
        EXAMPLE,
        *(entry.name for entry in (*ENTRIES, *VIDEO_ENTRIES)),
    }
    assert listing["problems"] == []
