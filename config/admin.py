"""The pages of the admin that read several apps. Django imports this module with the `admin` modules of the apps."""

from common.admin import add_page
from config.front_page import pages

add_page("front-page/data/", pages.data, name="front_page_data")
add_page("front-page/undo/", pages.undo, name="front_page_undo")
