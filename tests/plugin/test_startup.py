"""What the start-up files do to a Python process, from a wheel and from an editable install."""

import os
import pkgutil
from pathlib import Path

import pytest

from nnunet_dsd.plugin import startup

REPOSITORY = Path(__file__).parents[2]
VARIABLE = "os.environ.get('nnUNet_extTrainer')"
SPAWN = """
import multiprocessing, os
def report(queue): queue.put(os.environ.get("nnUNet_extTrainer"))
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=report, args=(queue,))
    child.start()
    print(queue.get(timeout=60))
    child.join()
"""


def search_folder(environment):
    return str(environment.packages / "nnunet_dsd" / "plugin" / "search_path")


def test_a_wheel_sets_the_search_path_to_a_folder_of_one_module(with_wheel):
    assert with_wheel.evaluate(VARIABLE) == search_folder(with_wheel)
    assert [path.name for path in Path(search_folder(with_wheel)).glob("*.*")] == ["nnunet_dsd_trainer_search.py"]


def test_an_editable_install_sets_the_search_path_to_the_checkout(make_environment):
    environment = make_environment()
    environment.install("--editable", REPOSITORY)
    assert environment.evaluate(VARIABLE) == str(REPOSITORY / "nnunet_dsd" / "plugin" / "search_path")


def test_the_folders_of_the_user_come_first_and_keep_their_order(with_wheel):
    users = os.pathsep.join(["/z/mine", "/a/mine too"])
    found = with_wheel.evaluate(VARIABLE, nnUNet_extTrainer=users)
    assert found == os.pathsep.join([users, search_folder(with_wheel)])


@pytest.mark.parametrize(("value", "is_opt_out"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_opt_out_leaves_the_variable_alone(with_wheel, value, is_opt_out):
    found = with_wheel.evaluate(VARIABLE, nnUNet_extTrainer="/mine", NNUNET_DSD_NO_AUTOLOAD=value)
    assert (found == "/mine") is is_opt_out


def test_python_without_site_packages_is_left_alone(with_wheel):
    assert with_wheel.evaluate(VARIABLE, "-S") == "None"


def test_starting_python_loads_neither_torch_nor_nnunet_nor_the_registry(with_wheel):
    modules = with_wheel.evaluate("' '.join(sys.modules)").split()
    assert "nnunet_dsd.plugin.startup" in modules
    assert not {"torch", "nnunetv2", "numpy", "nnunet_dsd.registry", "importlib.metadata", "pathlib"} & set(modules)


def test_a_spawned_child_has_the_folder_once(with_wheel, tmp_path):
    script = tmp_path / "spawn.py"
    script.write_text(SPAWN)
    assert with_wheel.run(with_wheel.python, script).stdout.strip() == search_folder(with_wheel)


def test_uninstalling_leaves_nothing_behind(wheel, make_environment):
    environment = make_environment()
    before = sorted(path.name for path in environment.packages.iterdir())
    environment.install(wheel)
    environment.evaluate("__import__('nnunet_dsd.registry')")
    environment.uninstall("nnunet-dsd")
    assert sorted(path.name for path in environment.packages.iterdir()) == before
    assert environment.evaluate(VARIABLE) == "None"


def test_the_start_file_names_the_function_that_the_pth_file_calls():
    folder = REPOSITORY / "nnunet_dsd" / "plugin"
    (reference,) = (folder / "nnunet_dsd_search_path.start").read_text().split()
    assert pkgutil.resolve_name(reference) is startup.extend_search_path
    (line,) = (folder / "nnunet_dsd_search_path.pth").read_text().splitlines()
    assert line.startswith("import nnunet_dsd.plugin.startup as startup;")
    assert line.endswith("startup.extend_search_path()")


def test_extending_twice_changes_nothing():
    once = startup.extended_search_path("/mine")
    assert startup.extended_search_path(once) == once
    assert startup.extended_search_path(startup.SEARCH_FOLDER + os.sep) == startup.SEARCH_FOLDER + os.sep
