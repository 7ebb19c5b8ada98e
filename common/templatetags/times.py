"""Times in templates."""

from django import template

from common.times import written

register = template.Library()
register.filter("written", written)
