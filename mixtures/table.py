"""Every mixing method by its name. Adding one is a class in a file of its own and a row here."""

from mixtures.baselines import Method, Proportional, Static, Temperature, Uniform, UniMax
from mixtures.presets import Preset

TABLE: dict[str, type[Method]] = {
    method.name: method for method in (Uniform, Proportional, Temperature, UniMax, Static, Preset)
}
