"""The loader of templates. It changes the markup of django-unfold so that screen readers and keyboards can use it.

Unfold shows icons as words of a font, which screen readers read aloud ("keyboard_return"), and lets people click on
elements that keyboards cannot focus. Both occur in dozens of its templates, so each template is changed when it is
loaded, once in a process. `common/static/common/admin/controls.js` adds the keys.
"""

import re

from django.template.base import Origin
from django.template.loaders import cached

# A start tag. Values of attributes may contain `>`, as `{% if count > 1 %}` does.
TAG = re.compile(r"""<(?P<name>a|button|div|i|span)\b(?P<attributes>(?:[^<>"']|"[^"]*"|'[^']*')*)>""")
ICON = "material-symbols-outlined"
# In the list of classes, and not as a part of another class (`after:material-symbols-outlined`).
IS_ICON = re.compile(rf"""class="[^"]*(?<![\w:-]){ICON}(?![\w-])""")
CLICKED = re.compile(r"""\s(?:x-on:|@)click="[^"]*\"""")
TITLE = re.compile(r"""\stitle=("(?:[^"{]|\{[^"]*"[^"]*"[^"]*\}|\{)*")""")
ICON_NAME = re.compile(r"\s*(?P<icon>[a-z_0-9]+)\s*<")
# What stands between the tags of a link or a button that shows icons and no words.
ICONS_ONLY = re.compile(
    rf"""\s*(?:<span[^<>]*\b{ICON}\b[^<>]*>\s*(?P<icon>\w*)\s*(?:<span[^<>]*>\s*</span>\s*)?</span>\s*)+</(?:a|button)>"""
)


# Names for parts of the frame, and for links whose icon stands in a variable or in a component.
NAMED = {
    '<nav id="nav-sidebar-inner" ': '<nav id="nav-sidebar-inner" aria-label="{% icon_label "navigation" %}" ',
    '<span class="material-symbols-outlined md-18">{% if site_symbol %}': (
        '<span class="sr-only">{% icon_label "home" %}</span>'
        '<span class="material-symbols-outlined md-18">{% if site_symbol %}'
    ),
    '<span class="material-symbols-outlined">more_horiz</span>\n        {% endcomponent %}': (
        '<span class="sr-only">{% icon_label "more_horiz" %}</span>'
        '<span class="material-symbols-outlined">more_horiz</span>{% endcomponent %}'
    ),
}


class Loader(cached.Loader):
    def get_contents(self, origin: Origin) -> str:
        contents: str = super().get_contents(origin)
        return accessible(contents) if str(origin.name).endswith(".html") else contents


def accessible(source: str) -> str:
    """The source with icons that are not read aloud, buttons where something can be clicked, and landmarks."""
    for part, named in NAMED.items():
        if named not in source:
            source = source.replace(part, named)
    return TAG.sub(lambda tag: _changed(tag, source[tag.end() :]), source)


def _changed(tag: re.Match[str], following: str) -> str:
    name, attributes = tag["name"], tag["attributes"]
    is_clicked = _is_always_clicked(attributes)
    is_control = name == "button" or "href=" in attributes or "role=" in attributes
    is_icon = IS_ICON.search(attributes) is not None
    added = ""
    if is_clicked and not is_control and not _is_empty(following, attributes):
        added = ' role="button" tabindex="0"'
        if is_icon:
            added += _label(attributes, ICON_NAME.match(following))
        elif only := ICONS_ONLY.match(following):
            added += _label(attributes, only)
    elif is_icon and not is_control and "aria-hidden" not in attributes:
        added = ' aria-hidden="true"'
    elif name in {"a", "button"} and (only := ICONS_ONLY.match(following)):
        added = _label(attributes, only)
    return f"<{name}{added}{attributes}>"


def _is_always_clicked(attributes: str) -> bool:
    """Whether a click does something, and not only under a condition of the template."""
    if (clicked := CLICKED.search(attributes)) is None:
        return False
    before = attributes[: clicked.start()]
    return before.count("{% if ") == before.count("{% endif %}")


def _is_empty(following: str, attributes: str) -> bool:
    """Whether the element shows nothing: the backdrop of a dialog, which a click closes as Escape does."""
    return following.lstrip().startswith("</") and "x-text" not in attributes


def _label(attributes: str, shown: re.Match[str] | None) -> str:
    """The name of a control, unless it has one. Its title is repeated: the word of the icon would be stronger."""
    if "aria-label" in attributes:
        return ""
    if title := TITLE.search(attributes):
        return f" aria-label={title[1]}"
    return f' aria-label="{{% icon_label "{shown["icon"]}" %}}"' if shown else ""
