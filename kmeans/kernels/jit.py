"""How kernels are compiled: flags, cache and CPU levels, in one place.

Kernels are compiled when they are first called, for the signatures in their decorator, and kept in numba's cache
(`NUMBA_CACHE_DIR`): a job loads the code of those that it needs. The machine code is made for a micro-architecture
level instead of the very CPU at hand, so that a cache filled on one machine serves every machine of that level: an
image holds one entry per level and needs no compilation at run time. `NUMBA_CPU_NAME` overrides the choice of the
level. The cache may be read-only.
"""

import functools
import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
from numba.core import cgutils
from numba.core.caching import FunctionCache, InTreeCacheLocator, UserProvidedCacheLocator
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.sigutils import normalize_signature
from numba.core.types import Array, BaseTuple
from numba.extending import intrinsic

from kmeans.kernels.levels import chosen_level

config: Any = numba.config

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# "nnan" and "ninf" stay out: with them the compiler may drop checks for NaN and infinity.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

config.CPU_NAME = chosen_level()
if "NUMBA_CPU_FEATURES" not in os.environ:
    # If unset, numba adds the features of this machine to those of the level.
    config.CPU_FEATURES = ""


# The level that code is made for; `NUMBA_CPU_NAME` may name any other CPU that LLVM knows.
LEVEL: str = config.CPU_NAME
# Set by NUMBA_DISABLE_JIT: kernels then run as Python, and `emitted` functions can't run unless they have a twin.
INTERPRETED = bool(config.DISABLE_JIT)


class ReadableCacheLocator:
    """Finds the cache of a function's machine code, even if it is read-only.

    Numba's own locators skip a folder that they can't write to, even a full one. The cache of an image belongs to root,
    and its file system may be mounted read-only.
    """

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> object:
        """Return the locator that numba asks for the folder: `NUMBA_CACHE_DIR`, or `__pycache__` next to the source."""
        locator: Any = (UserProvidedCacheLocator if config.CACHE_DIR else InTreeCacheLocator)(function, file)
        locator.get_source_stamp = functools.partial(_stamp, Path(file))
        return locator


@functools.cache
def _stamp(file: Path) -> str:
    """Return a digest of all sources that the code of a module's kernels depends on.

    Numba only considers the file of a kernel. But a kernel calls kernels, and contains constants, of other modules,
    which its own module imports, directly or not.
    """
    # The top package, or the folder of a program that is in no package.
    home = file.parent
    while (home.parent / "__init__.py").exists():
        home = home.parent
    homes = tuple(f"{folder}{os.sep}" for folder in (home, Path(__file__).parent))
    sources: set[str] = set()
    found = {str(file), __file__}
    while found:
        sources |= found
        found = {source for each in found for source in _imported(each) if source.startswith(homes)} - sources
    return hashlib.sha256(b"".join(Path(source).read_bytes() for source in sorted(sources))).hexdigest()


_IMPORT = re.compile(r"^(?:from ([\w.]+) )?import (\([^)]*\)|.*)", re.MULTILINE)


@functools.cache
def _imported(file: str) -> frozenset[str]:
    """Return the sources of the modules that a module imports at its top; they are loaded before its kernels."""
    names: set[str] = set()
    for package, words in _IMPORT.findall(Path(file).read_text(encoding="utf-8")):
        imported = re.findall(r"[\w.]+", words)
        # A name that is imported from a package may be a module.
        names |= {package, *(f"{package}.{word}" for word in imported)} if package else set(imported)
    sources = (getattr(sys.modules.get(name), "__file__", None) for name in names)
    return frozenset(source for source in sources if source)


if not config.CACHE_LOCATOR_CLASSES:
    config.CACHE_LOCATOR_CLASSES = f"{__name__}.{ReadableCacheLocator.__name__}"


def array_type(kind: Any, dimensions: int = 1) -> Any:
    """Return numba's type of C-contiguous arrays."""
    return numba.types.Array(kind, dimensions, "C")


def tuple_type(form: type[NamedTuple], kinds: list[Any]) -> Any:
    """Return numba's type of a named tuple whose elements have the given types."""
    types: Any = numba.types
    # Numba has a type of its own for those whose elements are of one type.
    alike = len(set(kinds)) == 1
    return types.NamedUniTuple(kinds[0], len(kinds), form) if alike else types.NamedTuple(kinds, form)


# One for all kernels, since those that a kernel calls are compiled with it.
_COMPILING = threading.RLock()


class _Kernel(CPUDispatcher):
    """A function that is compiled for its signatures, and for no others, when it is first needed.

    Numba's own dispatcher with signatures compiles, or loads, at once: half a second of processor time for all kernels,
    of which a job calls a part.
    """

    def __init__(self, function: Callable[..., Any], signatures: tuple[Any, ...], options: dict[str, Any]) -> None:
        super().__init__(function, targetoptions={"nopython": True, "boundscheck": None, **options})
        cache: Any = _Cache
        self._cache = cache(function)
        self._signatures = signatures
        self._compiled = False

    def compile_signatures(self) -> None:
        """Compile for all signatures, or load the code from the cache, unless that was done."""
        with _COMPILING:
            if not self._compiled:
                for signature in self._signatures:
                    self.compile(signature)
                self.disable_compile()
                self._compiled = True

    def _compile_for_args(self, *_arguments: object, **_words: object) -> Callable[..., Any]:
        # Called when no code fits the arguments, which after this is an error. What is returned is called with them.
        self.compile_signatures()
        return self

    def get_call_template(self, args: Any, kws: Any) -> Any:
        # Called when a kernel that calls this one is compiled.
        self.compile_signatures()
        return super().get_call_template(args, kws)


class _Cache(FunctionCache):
    """Numba's cache on disk; one that can't be written is as good as none."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Numba would first import all that it can compile: a quarter of a second of every process that calls a kernel.
        # Machine code from the cache only needs the runtime, and the compiler imports the rest itself.
        initialize: Any = rtsys.initialize
        initialize(target_context)
        load: Any = self._load_overload
        return load(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        save: Any = super().save_overload
        with suppress(OSError):
            save(sig, data)


_KERNELS: list[_Kernel] = []


def compile_all() -> None:
    """Compile every kernel of the modules that have been imported, or load it from the cache."""
    for each in _KERNELS:
        each.compile_signatures()


def kernel(*signatures: Any, strict: bool = False, inline: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function to machine code that runs without the GIL, when it is first called.

    Parameters
    ----------
    *signatures : str or tuple of numba types
        Numba signatures; arguments of other types are an error.
    strict : bool, default False
        Whether each operation is to be rounded as it is written, instead of with `FAST_MATH`.
    inline : bool, default False
        Whether it becomes a part of each kernel that calls it, however long it is.

    Returns
    -------
    callable
        The decorator. With `INTERPRETED` it returns the function as it is.
    """
    options = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": False if strict else FAST_MATH,
        "forceinline": inline,
    }

    def decorate(function: Kernel) -> Kernel:
        if INTERPRETED:
            return function
        compiled: Any = _Kernel(function, signatures, options)
        _KERNELS.append(compiled)
        return cast(Kernel, compiled)

    return decorate


def emitted(signature: str, interpreted: Callable[..., Any] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Make a function that writes LLVM code one that kernels can call.

    Parameters
    ----------
    signature : str
        A numba signature. The function is called with a builder and a value for each argument, for an array a pointer
        to its first element, and returns the value of the result or None.
    interpreted : callable, optional
        The twin to call where kernels are not compiled; without one, kernels that call the function can't run there.

    Returns
    -------
    callable
        The decorator.
    """
    normalize: Any = normalize_signature
    arguments, result = normalize(signature)

    def decorate(emit: Callable[..., Any]) -> Any:
        if INTERPRETED and interpreted:
            return interpreted

        def define(_context: object, *_types: object) -> tuple[object, Callable[..., Any]]:
            def generate(context: Any, builder: Any, _signature: object, values: tuple[Any, ...]) -> Any:
                given = [
                    context.make_array(kind)(context, builder, value).data if isinstance(kind, Array) else value
                    for kind, value in zip(arguments, values, strict=True)
                ]
                emitted_value = emit(builder, *given)
                return context.get_dummy_value() if emitted_value is None else emitted_value

            return result(*arguments), generate

        # Numba reads the name, the docstring and the parameters of `emit`.
        return intrinsic(functools.wraps(emit)(define))

    return decorate


def _uncounted(_context: Any, kind: Any) -> Any:

    def bare(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, Array):
            array = context.make_array(kind)(context, builder, value)
            array.meminfo = array.meminfo.type(None)
            array.parent = array.parent.type(None)
            return array._getvalue()  # numba's name for it
        if isinstance(kind, BaseTuple):
            unpack: Any = cgutils.unpack_tuple
            parts = unpack(builder, value)
            kinds: Any = kind
            bare_parts = [bare(context, builder, *part) for part in zip(kinds, parts, strict=True)]
            return context.make_tuple(builder, kind, bare_parts)
        return value

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return bare(context, builder, signature.args[0], values[0])

    return kind(kind), generate


# Returns an array, or a tuple of arrays and numbers, of which no references are counted. Counting is atomic: it takes
# as long as a few sums, and far longer where several threads count references of the same array. The caller keeps the
# arrays alive.
uncounted: Any = intrinsic(_uncounted)
