"""Registers the renewal of the admin's front page. Django imports this module with the `admin` modules of the apps."""

from common.admin import add_page
from config.front_page import pages

add_page("front-page/data/", pages.data, name="front_page_data")
