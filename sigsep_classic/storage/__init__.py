"""Models on disk: one ``.npz`` file with plain arrays and a JSON header, never pickled objects."""

from sigsep_classic.storage.models import SavedModel, load_model, save_model

__all__ = ["SavedModel", "load_model", "save_model"]
