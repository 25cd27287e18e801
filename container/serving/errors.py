"""The errors of requests for models, each with the status of its answer."""

_MAX_SHOWN = 256


class ModelUnavailableError(Exception):
    """No model can be served; the text says why."""

    status = 503


class RegistryError(Exception):
    """A request to load or to unload a model, or for one, can't be met; the text says why."""

    status = 400


class UnknownModelError(RegistryError):
    """No model of that name is loaded."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name[:_MAX_SHOWN]!r} is not loaded")


class DuplicateModelError(RegistryError):
    """A model of that name is loaded already."""

    status = 409


class OutOfMemoryError(RegistryError):
    """There is not enough memory for one more model."""

    status = 507
