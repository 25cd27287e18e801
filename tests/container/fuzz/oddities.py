"""All oddities of trees; a new one goes to the end, so that seeds keep their first one for as long as can be."""

from tests.container.fuzz import channels, configurations, leftovers
from tests.container.fuzz.trees import Oddity

ODDITIES: tuple[Oddity, ...] = (*channels.ODDITIES, *configurations.ODDITIES, *leftovers.ODDITIES)
