"""When a player shows each decoded frame: the one place that turns timestamps into seconds.

The rules are those of FFmpeg's own players. The distance of two timestamps is how long a frame stays, unless no player
would wait so long: where it is below zero (recordings joined byte by byte, a clock that was set back) or too long (a
clock that was set forward), where timestamps are missing or the clock stands still, a frame stays as long as the
nominal rate says. A short step back is no clock set back: in MPEG-PS timestamps of frames that were decoded in another
order go back by a frame or two and make up for it soon.
"""

from __future__ import annotations

from fractions import Fraction

import av
from av import VideoFrame

# Seconds that a frame may stay, as in ffplay: in kinds of files whose clock may jump (MPEG-TS, MPEG-PS), and in others.
LONGEST_WITH_JUMPS, LONGEST_WITHOUT_JUMPS = 10, 3600
CLOCK_MAY_JUMP = 0x0200  # AVFMT_TS_DISCONT among the flags of a kind of file
USUAL_RATE = Fraction(25)  # FFmpeg's own assumption where a file names no rate
STANDS_STILL = 10  # so many repetitions of a timestamp are no rounding, and the clock is not believed
SHORT_STEP_BACK = 10  # frames; fewer are frames out of order


class PlayingTimes:
    """Seconds since the first frame at which a player shows each frame of a video, in the order of decoding.

    Frames have a presentation time and a decoding time; as in FFmpeg, the kind that was missing or out of order less
    often is believed.

    Attributes:
        usual: Seconds that a frame stays at the nominal rate.
        frames: How many have been shown.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        """Read the nominal rate and whether the clock may jump; no frame is read."""
        rate = stream.guessed_rate or stream.average_rate or USUAL_RATE
        may_jump = int(container.format.flags) & CLOCK_MAY_JUMP
        longest = Fraction(LONGEST_WITH_JUMPS if may_jump else LONGEST_WITHOUT_JUMPS)
        self.usual, self.frames = 1 / Fraction(rate), 0
        self._clocks = tuple(_Clock(self.usual, longest) for _ in range(2))
        self._second = self._stays = Fraction(0)

    def show(self, frame: VideoFrame) -> Fraction:
        """Return when the next frame is shown; never before the one before it."""
        for clock, stamp in zip(self._clocks, (frame.pts, frame.dts), strict=True):
            clock.show(None if stamp is None else stamp * frame.time_base)
        self.frames += 1
        self._stays = max(self._stays, (frame.duration or 0) * frame.time_base)
        self._second = max(self._second, self._believed.now)
        return self._second

    @property
    def claimed(self) -> Fraction:
        """How many seconds the timestamps have gone beyond the first, jumps included."""
        return self._believed.claimed

    @property
    def longest_step(self) -> Fraction:
        """The longest distance of two timestamps, jumps included, or the longest that a frame says to stay, seconds."""
        return max(self._stays, self._believed.longest_step)

    @property
    def _believed(self) -> _Clock:
        return min(self._clocks, key=lambda clock: clock.faults)  # min keeps the first of equals: presentation


class _Clock:
    """Follows one kind of timestamp; `faults` counts those that are missing or not above the one before."""

    def __init__(self, usual: Fraction, longest: Fraction) -> None:
        self._usual, self._patience = usual, longest
        self._first: Fraction | None = None
        self._last: Fraction | None = None
        self._offset = Fraction(0)
        self._repeats = 0
        self.now = -usual  # the first frame is shown one frame later, at 0
        self.claimed = self.longest_step = Fraction(0)
        self.faults = 0

    def show(self, stamp: Fraction | None) -> None:
        if stamp is None:
            self.faults += 1
            self.now += self._usual
            return
        step = None if self._last is None else stamp - self._last
        self._repeats = self._repeats + 1 if step == 0 else 0
        if self._repeats >= STANDS_STILL:
            self.now += self._usual * (STANDS_STILL if self._repeats == STANDS_STILL else 1)
        elif step is not None and -SHORT_STEP_BACK * self._usual < step < 0:
            self.now += self._usual
        elif step is None or not 0 <= step <= self._patience:
            self.now += self._usual
            self._offset = self.now - stamp
        else:  # if it is ahead, as after missing timestamps or a short step back, it makes up for it in a long step
            self.now = max(stamp + self._offset, self.now + min(step, self._usual))
        self.faults += step is not None and step <= 0
        self._first = stamp if self._first is None else self._first
        self.claimed = max(self.claimed, stamp - self._first)
        self.longest_step = max(self.longest_step, step or Fraction(0))
        self._last = stamp
