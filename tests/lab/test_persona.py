from ari_app.lab.persona import Persona, Rule


def persona() -> Persona:
    return Persona(
        "espeak:en-gb+m3",
        (
            Rule(("which day would you like",), "next tuesday"),
            Rule(("shall i book it", "is that right"), "yes", times=2),
            Rule(("press one",), presses="1"),
        ),
        otherwise=("pardon", "operator"),
    )


def test_a_cue_is_known_although_it_was_heard_badly():
    assert persona().reply("and which they would you like").says == "next tuesday"


def test_the_question_that_stands_last_is_answered():
    assert persona().reply("which day would you like. shall i book it").says == "yes"


def test_a_rule_is_used_up():
    caller = persona()
    assert caller.reply("is that right").says == "yes"
    assert caller.reply("is that right").says == "yes"
    assert caller.reply("is that right").says == "pardon"


def test_lost_callers_go_through_what_they_say_otherwise():
    caller = persona()
    assert [caller.reply("the weather is fine").says for _ in range(3)] == ["pardon", "operator", "operator"]


def test_keys_are_pressed_where_the_rule_says_so():
    assert persona().reply("please press one").presses == "1"


def test_of_two_questions_that_sound_alike_the_nearer_one_is_answered():
    caller = Persona(
        "espeak:en-gb+m3",
        (Rule(("what time would you like",), "half past three"), Rule(("which day would you like",), "tuesday")),
    )
    assert caller.reply("okay, in the afternoon. which day would you like").says == "tuesday"
