"""Templates: icons are not read aloud, what can be clicked is a button, and capitals are those of the language."""

import re
from pathlib import Path

import pytest
import unfold
from django.contrib.admin import helpers
from django.template import Context, Template
from django.template.loader import get_template
from django.utils.translation import override

from common.capitals import capitalized, use_in
from common.template_loader import accessible
from common.templatetags.admin_frame import LABELS

TEMPLATES = Path(unfold.__file__).parent / "templates"
ICON = '<span class="block material-symbols-outlined">'


@pytest.mark.parametrize(
    ("source", "result"),
    [
        # Icons.
        (f"{ICON}close</span>", '<span aria-hidden="true" class="block material-symbols-outlined">close</span>'),
        ('<i class="after:material-symbols-outlined">', '<i class="after:material-symbols-outlined">'),
        ('<link href="material-symbols-outlined.css">', '<link href="material-symbols-outlined.css">'),
        # What can be clicked.
        ('<a x-on:click="f()">Dark</a>', '<a role="button" tabindex="0" x-on:click="f()">Dark</a>'),
        ('<div x-on:click="f()"></div>', '<div x-on:click="f()"></div>'),
        ('<div x-on:click.outside="f()">Dark</div>', '<div x-on:click.outside="f()">Dark</div>'),
        ('<a href="#" x-on:click="f()">Dark</a>', '<a href="#" x-on:click="f()">Dark</a>'),
        ('<button x-on:click="f()">Dark</button>', '<button x-on:click="f()">Dark</button>'),
        ('<h2 x-on:click="f()">Dark</h2>', '<h2 x-on:click="f()">Dark</h2>'),
        (
            '<div {% if a %} x-on:click="f()" {% endif %}>Dark</div>',
            '<div {% if a %} x-on:click="f()" {% endif %}>Dark</div>',
        ),
        (
            '<a class="{% if a > 1 %}b{% endif %}" x-on:click="f()">Dark</a>',
            '<a role="button" tabindex="0" class="{% if a > 1 %}b{% endif %}" x-on:click="f()">Dark</a>',
        ),
        # Names of controls that show only an icon.
        (
            '<span class="material-symbols-outlined" x-on:click="f()"> close </span>',
            (
                '<span role="button" tabindex="0" aria-label="{% icon_label "close" %}"'
                ' class="material-symbols-outlined"'
                ' x-on:click="f()"> close </span>'
            ),
        ),
        (
            f'<a href="#" title="{{% trans "Go back" %}}">{ICON}arrow_back</span></a>',
            (
                '<a aria-label="{% trans "Go back" %}" href="#" title="{% trans "Go back" %}">'
                '<span aria-hidden="true" class="block material-symbols-outlined">arrow_back</span></a>'
            ),
        ),
        (
            f"<button>{ICON}search</span></button>",
            (
                '<button aria-label="{% icon_label "search" %}">'
                '<span aria-hidden="true" class="block material-symbols-outlined">search</span></button>'
            ),
        ),
        (
            f"<button>{ICON}search</span> Find</button>",
            '<button><span aria-hidden="true" class="block material-symbols-outlined">search</span> Find</button>',
        ),
    ],
)
def test_a_template_is_changed_for_keyboards_and_screen_readers(source: str, result: str) -> None:
    assert accessible(source) == result


def test_it_is_changed_only_once() -> None:
    for file in TEMPLATES.rglob("*.html"):
        once = accessible(file.read_text("utf-8"))
        for tag in re.findall(r"<[^<>]*>", accessible(once)):
            assert tag.count("aria-hidden=") <= 1, file
            assert tag.count("role=") <= 1, file


def test_no_icon_of_unfold_is_read_aloud_and_each_control_has_a_name() -> None:
    icons = controls = 0
    for file in sorted(TEMPLATES.rglob("*.html")):
        changed = accessible(file.read_text("utf-8"))
        for tag in re.findall(r"<[^<>]*\smaterial-symbols-outlined\b[^<>]*>|<[^<>]*\"material-symbols[^<>]*>", changed):
            icons += 1
            assert 'aria-hidden="true"' in tag or "aria-label=" in tag or "<link" in tag, (file.name, tag)
        for icon in re.findall(r'icon_label "(\w*)"', changed):
            controls += 1
            assert icon in LABELS, (file.name, icon)
    assert icons > 80
    assert controls > 8


def test_the_service_loads_its_templates_in_this_way() -> None:
    source = get_template("unfold/helpers/header_back_button.html").template.source  # type: ignore[attr-defined]
    assert 'aria-hidden="true"' in source


# --- capitals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "text", "capital"),
    [
        ("tr", "itiraz", "İtiraz"),
        ("tr", "ışık", "Işık"),
        ("tr", "ban", "Ban"),
        ("tr", "", ""),
        ("en", "id", "Id"),
        ("en", "Ban", "Ban"),
    ],
)
def test_a_text_begins_with_the_capital_of_its_language(language: str, text: str, capital: str) -> None:
    with override(language):
        assert capitalized(text) == capital
        assert vars(helpers)["capfirst"](text) == capital
        assert Template("{{ text|capfirst }}").render(Context({"text": text})) == capital


def test_a_module_without_the_function_is_reported() -> None:
    with pytest.raises(AssertionError):
        use_in([re])
