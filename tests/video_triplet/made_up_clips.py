"""Made-up data sets of clips in the layouts of UCF101 and HMDB51: real video files, encoded here, whole or damaged."""

from pathlib import Path

import av
import numpy as np

from video_triplet.data.video_files import ShownPictures, decoded_frames

SIZE = (48, 64)  # height, width
UCF_CLASSES = ("ApplyMakeup", "Archery", "HandstandPushups")
HMDB_CLASSES = ("brush_hair", "wave")
FILMS = ("Old_Film_1", "Old_Film_2", "Feast", "Night_3", "River")


def write_clip(path, frames, *, size=SIZE, seed=0, rate=25):
    """Encode moving blobs; the brightness of frame k is about 20 + 4 k, so that frames can be told apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for index in range(frames):
            pixels = np.full((*size, 3), min(20 + 4 * index, 250), dtype=np.uint8)
            column = (7 * seed + 2 * index) % (size[1] - 8)
            pixels[8:16, column : column + 8] = (250, 40 * (seed % 5), 10)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frames_of(path):
    """Every decoded frame of a file, at its own size."""
    pictures = ShownPictures()
    return np.stack([pictures.pixels(frame) for _, frame in decoded_frames(Path(path))])


def cut_off(path, part=0.5):
    """Take away the end of a file."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(len(content) * part)])


def ucf_name(name, group, clip):
    """The entry of a list; one class has other capitals in its file names, as in the real data set."""
    written = "HandStandPushups" if name == "HandstandPushups" else name
    return f"{name}/v_{written}_g{group:02d}_c{clip:02d}.avi"


def write_ucf101(root, *, groups=5, clips=2, test_groups=2, frames=20, ending=".avi", encode=True):
    """Write `UCF-101` and `ucfTrainTestlist`; split k tests on `test_groups` groups, moved on by k - 1."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(UCF_CLASSES, 1)))
    for split in (1, 2, 3):
        held = {(split - 1 + offset) % groups + 1 for offset in range(test_groups)}
        train, test = [], []
        for number, name in enumerate(UCF_CLASSES, 1):
            for group in range(1, groups + 1):
                entries = [ucf_name(name, group, clip) for clip in range(1, clips + 1)]
                if group in held:
                    test += entries
                else:
                    train += [f"{entry} {number}" for entry in entries]
        (lists / f"trainlist{split:02d}.txt").write_text("\n".join(train) + "\n")
        (lists / f"testlist{split:02d}.txt").write_text("\r\n".join(test) + "\r\n")
    for number, name in enumerate(UCF_CLASSES):
        for group in range(1, groups + 1):
            for clip in range(1, clips + 1):
                path = (root / "UCF-101" / ucf_name(name, group, clip)).with_suffix(ending)
                if encode:
                    write_clip(path, frames + group, seed=10 * number + group)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"not looked at")
    return root


def hmdb_file(film, name, clip):
    """A file name in the data set's way."""
    return f"{film}_{name}_f_nm_np1_fr_med_{clip}.avi"


def write_hmdb51(root, *, films=FILMS, clips=2, frames=18, encode=True):
    """Write class folders and split files; in split k the k-th film tests, clip 1 of the last film is not used."""
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for label, name in enumerate(HMDB_CLASSES):
        for split in (1, 2, 3):
            lines = []
            for index, film in enumerate(films):
                for clip in range(clips):
                    tag = 0 if (index, clip) == (len(films) - 1, 1) else 2 if index == split + 1 else 1
                    lines.append(f"{hmdb_file(film, name, clip)} {tag} ")
            (lists / f"{name}_test_split{split}.txt").write_text("\n".join(lines) + "\n")
        for index, film in enumerate(films):
            for clip in range(clips):
                path = root / "hmdb51_org" / name / hmdb_file(film, name, clip)
                if encode:
                    write_clip(path, frames + index, seed=10 * label + index)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"not looked at")
    return root
