"""What other rooms may import from `lessons`."""

from .facts import (
    Facts as Facts,
    answered as answered,
    holds as holds,
    lacks_earlier as lacks_earlier,
    met as met,
    said as said,
)
from .lesson import Guess as Guess, Lesson as Lesson, Step as Step
from .reading import LANGUAGES as LANGUAGES, all_lessons as all_lessons, lesson_words as lesson_words
from .teaching import (
    PlanRow as PlanRow,
    asking as asking,
    class_plan as class_plan,
    class_words as class_words,
    right_answer as right_answer,
)
