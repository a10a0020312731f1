"""Documents as one stage of a finished run saw them: under what the stages before it made of their text."""

from corpus.storage import join
from pipeline.newest import Newest
from pipeline.plan import Step
from pipeline.view import View


def seen(view: View, step: Step) -> Newest:
    """The text, bytes and digest that a stage was given of a view's shard."""
    judged = view.plan.judged
    before = judged[: judged.index(step)]
    rewriting = tuple(join(view.at, one.folder) for one in view.rewriting if one in before)
    return Newest(join(view.at, view.plan.documents.folder), rewriting)
