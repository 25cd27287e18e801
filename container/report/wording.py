"""Numbers and times in the words of people."""

import math
import time

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 4) -> str:
    """Write a number to `digits` significant digits: 1,234.5, 0.0012 or 1.2×10⁹; a whole one to all digits."""
    if isinstance(value, int) and abs(value) < 10**12:
        return f"{value:,}".replace("-", "−")
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = int(f"{value:e}".partition("e")[2])
    if -4 <= exponent <= 8:
        decimals = max(0, digits - 1 - exponent)
        text = f"{value:,.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if decimals else text
    else:
        mantissa = f"{value:.{digits - 1}e}".partition("e")[0].rstrip("0").rstrip(".")
        text = f"{mantissa}×10{str(exponent).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """Write a share: 12.3 %, 0.04 % or < 0.01 %."""
    return "< 0.01 %" if 0 < share < 0.0001 else f"{number(100 * share, 3)} %"


def duration(seconds: float) -> str:
    """Write a time span: 0.4 s, 12 min 3 s or 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """Write a time of seconds since 1970: 24 November 2026, 23:59 UTC."""
    at = time.gmtime(seconds)
    return f"{at.tm_mday} {time.strftime('%B %Y, %H:%M', at)} UTC"
