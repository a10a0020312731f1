"""Arrays without an owner, for kernels that call others once a word.

A kernel counts the references to every array that it hands to another with more than one way out: an atomic step up
and one down. Of the 31 ns that a chunk of letters took to spaCy's splitting 7 went so (stages/english_tokens.py), a
quarter of the word pass and of the hashes of words. So kernels that call others per word or line begin with such a
line, and the called ones too if they have several exits: LLVM then sees that there is nothing to count.
"""

from typing import Any

from numba.core import cgutils
from numba.extending import intrinsic


def _uncounted(context: Any, array: Any) -> Any:
    def copied(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.return_type)(context, builder, arguments[0])
        null: Any = cgutils.get_null_value
        view.meminfo, view.parent = null(view.meminfo.type), null(view.parent.type)
        return view._getvalue()

    return array(array), copied


borrowed: Any = intrinsic(_uncounted)
"""borrowed(array) in a kernel: the same array, not counted; to hand on while the kernel's own caller holds it."""
