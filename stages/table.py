"""Every stage a recipe can name. Adding one is a class in a file of its own and a row here."""

from stages.base import Stage
from stages.exact import Exact
from stages.gopher_quality import GopherQuality
from stages.minhash import MinHash

TABLE: dict[str, type[Stage]] = {stage.name: stage for stage in (GopherQuality, Exact, MinHash)}
