"""A metric: a function of the answers on a set of images, with NumPy alone."""


def domain_gap(predictions):
    """Accuracy of the best domain less that of the worst; 0 where all are served alike.

    The names that are returned stand in ``result.json`` and in leaderboards. ``None`` says that
    there is nothing to compute it from.
    """
    accuracies = [float(part.correct.mean()) for part in predictions.by_domain().values()]
    return {"domain_gap": max(accuracies) - min(accuracies) if len(accuracies) > 1 else None}
