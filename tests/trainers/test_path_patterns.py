"""Paths in texts become their last part; web addresses and words with slashes stay."""

from pathlib import Path

import pytest

from nnunet_dsd.trainers.published import without_paths


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/home/me/data", "data"),
        ("/home/me/my data/", "my data"),
        ("~/models/x", "x"),
        ("/home/agathe", "home"),
        ("/home/agathe/", "home"),
        ("C:\\Users\\agathe", "home"),
        ("file:///Users/agathe", "home"),
        ("/root", "home"),
        ("kept in /home/agathe by hand", "kept in home by hand"),
        ("C:\\Users\\me\\x", "x"),
        ("file:///home/me/x.json", "x.json"),
        ("see '/home/me/x' and D:/y/z.txt", "see 'x' and z.txt"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("T1/T2 and/or 3 mm/s", "T1/T2 and/or 3 mm/s"),
        ("dynamic_network_architectures.architectures.unet.PlainConvUNet",) * 2,
        (Path("/home/me/x"), "x"),
        ("see path:/home/anna/data", "see path:data"),
        ("see root=/data/anna/x", "see root=x"),
        ("built with -I/home/anna/include", "built with include"),
        ("see /home/anna mueller/data set/x", "see x"),
        ("see '/data of anna/x y' by hand", "see 'x y' by hand"),
        ("see '/home/anna mueller' by hand", "see 'home' by hand"),
        ("on /mnt/c/Users/anna, moved", "on home, moved"),
        ("/export/home/anna", "home"),
        ("see \\\\server\\share\\anna\\x", "see x"),
        ("see C:\\Documents and Settings\\anna\\x", "see x"),
        ("see D:\\of anna mueller\\x", "see x"),
        ("see c:\\users\\anna", "see home"),
        ("~anna/data/x", "x"),
        ("see ~anna/", "see home"),
        ("../anna/x", "x"),
        ("see ../anna/x, please", "see x, please"),
        ("$HOME/anna/x/y", "y"),
        ("see ${HOME}/anna/x and %USERPROFILE%\\anna\\y", "see x and y"),
        ("smb://server/anna/x", "x"),
        ("see nfs://server/anna/x", "see x"),
        ("see https://x.org/a,/home/anna/x", "see https://x.org/a,x"),
        ("/home/anna/raw, see https://x.org/a/b", "raw, see https://x.org/a/b"),
    ],
)
def test_a_path_is_only_its_last_part(text, kept):
    assert without_paths({"a": [(text,)]}) == {"a": [(kept,)]}


@pytest.mark.parametrize(
    "text",
    [
        *("https://x.org/#/dataset/12/ab", "https://x.org/record/-/files/a", "https://x.org/?next=/a/b/c"),
        *(
            "https://x.org/(a)/b/c",
            "see https://x.org/home/anna/x",
            "s3://bucket/a/b",
            "doi.org/10.1/ab/c",
            "x.org/#/a/b",
        ),
        *(
            "[the data](https://x.org/a/b)",
            "[the data](docs/a/b.md)",
            "[the data](../a/b.md)",
            "see <https://x.org/a/b/c>",
        ),
        *(
            "mg/ml /s/x",
            "/",
            "//",
            "\\",
            "left / right",
            "liver/tumour",
            "T1/T2/FLAIR",
            "(T1)/T2/FLAIR",
            "and/or",
            "~5/6",
        ),
        *("torch.nn.modules.conv.Conv3d", "a 'T1'/'T2' ratio", "patients'/controls' ratio", "$a/b$", "5%/10%", "1:/2"),
        *("$5/6", "12/03/2024", "...", "see .../a/b", "C:", "", " ", "line\nline"),
    ],
)
def test_what_is_no_path_stays_as_it_is(text):
    assert without_paths([text, f"of {text} too"]) == [text, f"of {text} too"]
