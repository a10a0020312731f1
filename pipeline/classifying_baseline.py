"""The plain thing beside a fastText model: TF-IDF of words and word pairs, and logistic regression, by scikit-learn."""

import numpy as np

from classifiers.fasttext_training import Examples
from corpus.errors import RecipeError


def probabilities(train: Examples, test: Examples) -> np.ndarray:
    """What it says of `test` after it saw `train`: float64 [N, labels], in the order of `train.labels`.

    Settings are scikit-learn's own but for word pairs, sublinear counts, words of two documents or more, and class
    weights that balance: nothing is tuned, nor is fastText. RecipeError where scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError as error:
        raise RecipeError("scikit-learn is not installed: pip install 'winnow[classify]'") from error
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    regression = LogisticRegression(max_iter=1_000, class_weight="balanced")
    regression.fit(words.fit_transform(train.text.to_pylist()), train.label)
    said = np.zeros((len(test.label), len(test.labels)))
    said[:, regression.classes_] = regression.predict_proba(words.transform(test.text.to_pylist()))
    return said
