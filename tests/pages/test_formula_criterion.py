"""A formula in force: it comes by link, its controls show it, and one that gives no scores is refused."""

FORMULA = "formula:w * uses / layer_mean"
LINK = {"model": "swin-digits", "criterion": FORMULA, "scope": "module", "ratio": "0.5"}


def test_a_formula_comes_by_link_and_is_compared_with_criteria(open_app):
    app = open_app(**LINK).live()
    assert app.url == LINK and app.notices == []
    assert "[formula w · uses / layer_mean score]" in app.sentence
    assert app.widget("w_criterion").value == FORMULA
    app.page("importance").set("importance_part", "criteria")
    app.until(lambda: any(chart.key == "agreement" for chart in app.at.get("plotly_chart")), "agreement")
    assert app.widget("compare_first").value == FORMULA
    shown = "formula w · uses / layer_mean"
    assert shown in app.widget("w_criterion").options
    app.set("w_criterion", "magnitude")
    assert app.plan.criterion == "magnitude" and shown not in app.widget("w_criterion").options
    assert app.click("Undo").plan.criterion == FORMULA


def test_a_formula_with_a_mistake_is_left_out_of_a_link_with_its_place(open_app):
    app = open_app(**{**LINK, "criterion": "formula:w / layer_men"}).live()
    assert app.plan.criterion == "dimap" and app.plan.ratio == 0.5
    assert "At place 5 of the formula" in app.notices[0]


def test_a_formula_without_scores_leaves_the_model_and_says_why(open_app):
    app = open_app(**{**LINK, "criterion": "formula:w - 1"}).live()
    assert (app.plan.criterion, app.url["model"]) == ("dimap", "swin-digits")
    assert "a score may not lie below 0" in app.notices[0]
