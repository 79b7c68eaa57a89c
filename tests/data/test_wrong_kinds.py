"""What is not of the kind that was expected: every public function says what came, what was expected and what to do."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bayesmix.models.lca import lca

import bayesmix as bm

MODEL = lca(list("abcde"), 2)
QUICK = {"starts": 2, "finals": 1, "rounds": 1, "progress": False}

WITH_A_MODEL = {
    "fit": lambda m, fit, df: bm.fit(m, df),
    "log_likelihood": lambda m, fit, df: bm.log_likelihood(m, df, fit.params),
    "prepare": lambda m, fit, df: bm.prepare(m, df),
    "build": lambda m, fit, df: bm.build(m, df),
    "sample": lambda m, fit, df: bm.sample(m, df),
    "prior_table": lambda m, fit, df: bm.prior_table(m, df),
    "simulate": lambda m, fit, df: bm.simulate(m, fit.params, n=9),
    "enumerate_classes": lambda m, fit, df: bm.enumerate_classes(m, df, [1, 2]),
    "study": lambda m, fit, df: bm.study(m, fit.params, n=9),
    "class_status": lambda m, fit, df: bm.class_status(m, df),
    "diagram": lambda m, fit, df: bm.plots.diagram(m),
}
OF_RESULTS = {
    "compare": bm.compare,
    "report": bm.report,
    "transitions": bm.transitions,
    "decomposition": bm.decomposition,
    "classes": bm.plots.classes,
    "profile": bm.plots.profile,
    "memberships": bm.plots.memberships,
    "transitions' picture": bm.plots.transitions,
    "outcome": lambda x: bm.plots.outcome(x, None),
    "class curves": bm.class_curves,
    "class curves' picture": bm.plots.class_curves,
    "item curves": bm.item_curves,
    "item curves' picture": bm.plots.item_curves,
    "information": bm.plots.information,
    "reliability": bm.reliability,
    "scores": bm.plots.scores,
    "coefficients": lambda x: bm.coefficients(x, None),
    "random_effects": lambda x: bm.plots.random_effects(x, None),
    "enumeration": bm.plots.enumeration,
    "study": bm.plots.study,
}
OTHERS = {
    "data": (lambda fit, df: bm.fit(MODEL, df.to_dict()), "data came as dict, expected a pandas DataFrame"),
    "like": (lambda fit, df: bm.fit(MODEL, df, like=3), r"like= came as 3, expected a fit, or values"),
    "start": (lambda fit, df: bm.fit(MODEL, df, start="best"), r"start= came as 'best', expected a fit"),
    "starts": (lambda fit, df: bm.fit(MODEL, df, start=[3]), r"start= came as 3"),
    "mode": (lambda fit, df: bm.fit(MODEL, df, mode="GPU", **QUICK), "mode came as 'GPU': give 'NUMPY'"),
    "executor": (lambda fit, df: bm.fit(MODEL, df, executor=4), "executor came as 4, expected a concurrent"),
    "nodes": (lambda fit, df: bm.fit(MODEL, df, nodes=15), r"nodes came as 15, expected a method such as bm\.adaptive"),
    "params": (lambda fit, df: bm.log_likelihood(MODEL, df, fit), r"params came as Fit, expected .*give its \.params"),
    "simulate's": (lambda fit, df: bm.simulate(MODEL, fit, n=9), r"params came as Fit, expected .*give its \.params"),
    "simulate's seed": (lambda fit, df: bm.simulate(MODEL, fit.params, n=9, seed=-1), "seed came as -1"),
    "numbers as text": (lambda fit, df: bm.enumerate_classes(MODEL, df, "1-3"), "classes came as '1-3', of which '1'"),
    "no numbers": (lambda fit, df: bm.enumerate_classes(MODEL, df, [1, 1.5]), r"of which 1\.5 is no whole number"),
    "a template": (lambda fit, df: bm.enumerate_classes(lca, df, [1]), "the template lca itself: give a function"),
    "no fit": (lambda fit, df: bm.bootstrap(3, df), "fit came as int, expected what bm.fit returns"),
    "bootstrap's seed": (lambda fit, df: bm.bootstrap(fit, df, seed=-1), "seed came as -1"),
    "published": (lambda fit, df: bm.compare(fit, published={"C_probability[1]": "x"}), "came as 'x', expected"),
    "study's params": (lambda fit, df: bm.study(MODEL, 3, n=9), "params came as int, expected a fit, or values"),
    "study's models": (lambda fit, df: bm.study(fit, models=["lca"], n=9), "models= came as something else"),
    "study's folder": (lambda fit, df: bm.study(fit, n=9, folder=3), "folder came as 3, expected a path"),
    "study's fit": (lambda fit, df: bm.study(fit, n=9, fit=3), "fit came as 3, expected a mapping"),
    "study's truth": (lambda fit, df: bm.study(fit, n=9, truth=3), "truth came as 3, expected a mapping"),
    "study's executor": (lambda fit, df: bm.study(fit, n=9, executor=3), "executor came as 3"),
    "a model for a fit": (lambda fit, df: bm.bootstrap(MODEL, df), r"came as Model, .*: bm\.bootstrap\(fit, df\)"),
    "sample's fit": (lambda fit, df: bm.sample(MODEL, df, fit=fit), r"give it alone, bm\.sample\(fit, df\)"),
    "status' fit": (lambda fit, df: bm.class_status(MODEL, df, fit=fit), r"give it alone, bm\.class_status\(fit, df\)"),
    "study's fit beside": (lambda fit, df: bm.study(MODEL, fit, n=9), r"give the fit alone, bm\.study\(fit, n="),
    "no params": (lambda fit, df: bm.log_likelihood(MODEL, df), "params came as NoneType, .* or a fit in place of the"),
    "a path to read": (lambda fit, df: bm.Fit.load(3), "path came as 3, expected text or a pathlib.Path"),
    "a path to write": (lambda fit, df: fit.save(3), "path came as 3"),
    "a study's path": (lambda fit, df: bm.Study.load(3), "path came as 3"),
}  # fmt: skip


def said(call, *arguments) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        call(*arguments)
    text = str(caught.value)
    assert text.rstrip().endswith("."), text
    return text


@pytest.mark.parametrize("model", ["lca", lca, None, 3], ids=["text", "a template", "none", "a number"])
@pytest.mark.parametrize("name", WITH_A_MODEL)
def test_what_is_no_model_is_named(name, model, fitted, two_classes):
    if name == "enumerate_classes" and model is lca:
        return  # a function of the number of classes is taken; see "a template" below
    assert re.search(
        r"The model came as .*, expected .* bm\.models\.", said(WITH_A_MODEL[name], model, fitted, two_classes)
    )


@pytest.mark.parametrize("name", OF_RESULTS)
def test_what_is_no_result_is_named(name):
    assert re.search(r"came as str, expected", said(OF_RESULTS[name], "fit.nc"))


@pytest.mark.parametrize(("call", "words"), OTHERS.values(), ids=OTHERS)
def test_settings_of_another_kind_are_named(call, words, fitted, two_classes):
    assert re.search(words, said(call, fitted, two_classes))


def test_a_bootstrap_refuses_a_fit_of_another_model_or_other_data(fitted, two_classes):
    other = lca(["a", "b", "c", "d"], 2)
    assert "not of one model" in said(bm.bootstrap, replace(fitted, model=other), two_classes)
    assert "not of the same data" in said(bm.bootstrap, fitted, two_classes.head(300))
    shuffled = two_classes.sample(frac=1, random_state=np.random.RandomState(0))
    assert len(bm.bootstrap(fitted, shuffled, replications=2, progress=False).draws["replication"]) == 2
