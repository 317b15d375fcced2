"""Empty folders of nnU-Net for the tests of the converters."""

import pytest
from made_up_sources import make_nnunet_folders


@pytest.fixture
def nnunet(tmp_path, monkeypatch):
    """nnU-Net's three folders, empty, with the variables that name them."""
    return make_nnunet_folders(tmp_path / "nnunet", monkeypatch)
