from ari_app.call.handoff import Target, targets
from ari_app.config import HandoffSettings


def settings(**values: object) -> HandoffSettings:
    return HandoffSettings.model_validate({"extension": "200", "allowed": ["200", "201", "202"], **values})


def test_the_original_callee_is_rung_first_where_it_is_allowed():
    assert targets(settings(), "201")[0] == Target("201", "PJSIP/201")


def test_a_callee_that_is_not_allowed_is_never_rung():
    found = targets(settings(), "900441234567")
    assert [target.extension for target in found] == ["200"]


def test_a_dial_string_from_outside_is_no_extension():
    for callee in ("PJSIP/evil@trunk", "200&PJSIP/900", "../200", "", "200,1"):
        assert [target.extension for target in targets(settings(), callee)] == ["200"]


def test_the_ladder_follows_in_its_order_and_without_repeats():
    found = targets(settings(ladder=["202", "200", "201"]), "200")
    assert [target.extension for target in found] == ["200", "202", "201"]


def test_a_ladder_step_outside_the_allow_list_is_left_out():
    found = targets(settings(ladder=["999"]), "200")
    assert [target.extension for target in found] == ["200"]


def test_an_endpoint_of_the_settings_is_dialled():
    found = targets(settings(endpoints={"200": "PJSIP/scheduling"}), "")
    assert found == (Target("200", "PJSIP/scheduling"),)
