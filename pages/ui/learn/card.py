"""The card of a step: its words, the guess, the tick and what was found, a hint, and the way on.

Texts are the lessons'; what is around them comes from `words`. Next door: `progress` says when a step is done.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from dimap_core.studies import Guess, Lesson, Step, answered, lacks_earlier, said

from ..exercises import progress, words
from ..look import TERMS
from ..session import classroom, lesson as place

_LATE = 30  # seconds before a hint shows itself
_STYLE = """
<style>
.st-key-lesson_card { background: var(--panel); border-radius: 10px; padding: 20px 24px; }
.lesson-bar { display: flex; gap: 6px; align-items: center; font-size: 13px; color: var(--muted); }
.lesson-bar i { height: 6px; border-radius: 3px; flex: 1; max-width: 54px; background: var(--line); }
.lesson-bar i.done { background: var(--done); } .lesson-bar i.now { background: var(--action); }
.lesson-tick { color: var(--done); font-weight: 600; margin: 0; }
.lesson-hint { background: var(--soft); color: var(--ink); border-radius: 8px; padding: 10px 14px; margin: 0;
  font-size: 14px; }
.lesson-hint b { color: var(--action); display: block; }
.lesson-hint.later { animation: lesson-late 0s LATEs both; }
@keyframes lesson-late { from { visibility: hidden; height: 0; padding: 0 14px; overflow: hidden; } }
.st-key-lesson_card .options { display: flex; flex-wrap: wrap; gap: 8px; list-style: none; padding: 0; margin: 0; }
.st-key-lesson_card .options li { border: 1px solid var(--line); border-radius: 6px; padding: 6px 12px;
  margin: 0; color: var(--muted); }
.st-key-lesson_card .options li.own { border: 2px solid var(--action); background: var(--soft);
  color: var(--action); font-weight: 600; }
.st-key-lesson_card .options li.right { border-color: var(--done); color: var(--done); }
[data-here] { outline: none; }
</style>
"""
# A button that is pressed is often gone or off afterwards, and the focus with it: it goes to the newest that was said.
_FOCUS = """
<script>
if (!window.dimapFocus) {
  document.addEventListener("focusin", ({ target }) => { window.dimapFocus = target; });
  window.dimapFocus = document.body;
  setInterval(() => {
    const last = window.dimapFocus, lost = !last.isConnected || last.matches(":disabled");
    if (lost && document.activeElement === document.body) [...document.querySelectorAll("[data-here]")].pop()?.focus();
  }, 200);
}
</script>
"""


def draw(lesson: Lesson, step: Step) -> None:
    """All of the card."""
    me = place.learner()
    assert me.at is not None
    language, number = me.language, me.at[1]
    facts = progress.known() | me.results.get(me.at, {})
    st.html(_STYLE.replace("LATE", str(_LATE)))
    with st.container(key="lesson_card"):
        st.html(_bar(lesson, number) + _FOCUS, unsafe_allow_javascript=True)
        st.subheader(step.title[language], anchor=False)
        st.markdown(said(step.text[language], facts, language))
        if lacks_earlier(step.text[language], facts):
            st.caption(words.word("earlier"))
        if step.guess is not None:
            _guess(step, step.guess, facts)
        _found(step, facts)
        if step.terms:
            with st.popover(words.word("terms"), type="tertiary"):
                for term in step.terms:
                    st.markdown(f"**{term}**: {TERMS[term]}")
        _ways_on(lesson, step)
        _hint(step)  # last: when it shows itself, nothing that is about to be pressed moves


def _bar(lesson: Lesson, number: int) -> str:
    """How far the lesson is, in words and in strokes."""
    done = {step for of, step in place.learner().done if of == lesson.number}
    told = words.word("step", number=number, of=len(lesson.steps))
    kinds = ("now" if one == number else "done" if one in done else "" for one in range(1, len(lesson.steps) + 1))
    strokes = "".join(f'<i class="{kind}"></i>' for kind in kinds)
    return f'<div class="lesson-bar" tabindex="-1" data-here><span>{escape(told)}</span>{strokes}</div>'


def _guess(step: Step, guess: Guess, facts: dict) -> None:
    """The question with its options; once one is locked in, what was said, and when the step is done, what is right."""
    me = place.learner()
    language, key = me.language, f"guess_{me.at[0]}_{me.at[1]}" if me.at else ""
    labels = {option.key: option.label[language] for option in guess.options}
    own = me.guesses.get(me.at) if me.at else None
    st.markdown(f"**{guess.question[language]}**")
    if own is None:
        chosen = st.radio(guess.question[language], list(labels), None, format_func=labels.get, key=key,
                          label_visibility="collapsed")  # fmt: skip
        st.button(words.word("lock"), type="primary", disabled=chosen is None, on_click=_lock, args=(key,), key="lock")
        return
    right = answered(step, facts) if me.at in me.results or not step.done else ""
    marks = {own: "own"} | ({right: "own right" if right == own else "right"} if right else {})
    items = "".join(f'<li class="{marks.get(name, "")}">{escape(label)}</li>' for name, label in labels.items())
    st.html(f'<ul class="options" tabindex="-1" data-here>{items}</ul>')
    if right:
        verdict = "was_right" if right == own else "was_wrong"
        st.markdown(words.word(verdict, own=labels[own], right=labels.get(right, right)))


def _lock(key: str) -> None:
    """The guess is committed; a step that asks for nothing else is done."""
    me, now, chosen = place.learner(), place.current(), st.session_state.get(key)
    if me.at is None or now is None or now[1].guess is None:
        return
    if chosen not in [option.key for option in now[1].guess.options]:  # a browser may send what was never shown
        return
    me.guesses[me.at] = chosen
    classroom.guessed(*me.at, chosen, after=False)
    if not now[1].done:
        place.tick(progress.known() | {"guess": me.guesses[me.at]})


def _found(step: Step, facts: dict) -> None:
    """The tick, and what the step shows."""
    me = place.learner()
    if me.at not in me.done or progress.reading(step):
        return
    st.html(f'<p class="lesson-tick" role="status" tabindex="-1" data-here>✓ {escape(words.word("done"))}</p>')
    if step.after:
        st.markdown(said(step.after[me.language], facts, me.language))


def _hint(step: Step) -> None:
    """At once after a wrong try, by itself after a while."""
    me = place.learner()
    if not step.hint or me.at in me.done:
        return
    later = "" if me.at in me.wrong else " later"
    st.html(
        f'<p class="lesson-hint{later}" id="hint-{me.at}"><b>{escape(words.word("hint"))}</b>'
        f"{escape(step.hint[me.language])}</p>"
    )


def _ways_on(lesson: Lesson, step: Step) -> None:
    me = place.learner()
    assert me.at is not None
    number = me.at[1]
    done, last = me.at in me.done or progress.reading(step), number == len(lesson.steps)
    with st.container(horizontal=True, horizontal_alignment="distribute", key="lesson_ways"):
        st.button(words.word("back"), key="lesson_back", disabled=number == 1, on_click=place.enter,
                  args=((lesson.number, max(number - 1, 1)),))  # fmt: skip
        if not done:
            st.button(
                words.word("skip"), key="lesson_skip", type="tertiary", on_click=_on, args=(lesson, number, False)
            )
        following = place.following() if last else None
        onward = words.word("next") if not last else words.word("finish") if following is None else (
            words.word("next_lesson", number=following.number))  # fmt: skip
        st.button(onward, key="lesson_next", type="primary", disabled=not done, on_click=_on,
                  args=(lesson, number, progress.reading(step)))  # fmt: skip


def _on(lesson: Lesson, number: int, tick: bool) -> None:
    """To the next step, the next lesson, or, after all, the list."""
    if tick:
        place.tick(progress.known())
    if number < len(lesson.steps):
        place.enter((lesson.number, number + 1))
    elif (following := place.following()) is not None:
        place.enter((following.number, 1))
    else:
        place.leave()
