"""Format numbers and times for people."""

import time
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
# The most characters of a feature's name.
MAX_NAME = 32
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 4) -> str:
    """Format a number with `digits` significant digits: 1,235 or 0.001235 or in powers of ten; integers in full."""
    if value == round(value) and abs(value) < 1e12:
        return f"{round(value):,}".replace("-", MINUS)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if -4 <= exponent <= 8:
        text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    else:
        text = f"{mantissa}{TIMES}10{str(exponent).translate(_SUPERSCRIPTS)}"
    return text.replace("-", MINUS)


def percent(share: float) -> str:
    """Format a share: 12.3 %, 0.04 % or < 0.01 %."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{100 * share:.{1 if share >= 0.01 else 2}f} %"


def signed(value: float) -> str:
    """Format a number with its sign and one decimal: +1.2."""
    return f"{value:+z.1f}".replace("-", MINUS)


def feature_label(feature: int, names: Sequence[str], unnamed: str = "feature ") -> str:
    """Return what a feature is called: its name, if features have names, or its number; long names are cut."""
    if not names:
        return f"{unnamed}{feature}"
    name = names[feature]
    # The number tells names apart that begin alike.
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 8]}... ({feature})"


def duration(seconds: float) -> str:
    """Format a duration: 0.4 s, 12 min 3 s or 3 h 20 min."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """Format a time in seconds since 1970: 24 November 2026, 23:59 UTC."""
    at = time.gmtime(seconds)
    return f"{at.tm_mday} {time.strftime('%B %Y, %H:%M', at)} UTC"
