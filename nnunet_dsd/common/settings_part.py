"""What the settings of one method have in common with those of every other: a title, and checks when they are made."""

from __future__ import annotations

from typing import ClassVar

from nnunet_dsd.common.declared_settings import refuse_impossible


class SettingsPart:
    """The base of a frozen dataclass of settings; `title` says in a few words what they are of.

    Raises:
        SettingsError: listing every value that is not allowed.
    """

    title: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        refuse_impossible(self, source=f"the settings of {self.title}", further=self.contradictions())

    def contradictions(self) -> list[str]:
        """Return a sentence for values that do not go together."""
        return []
