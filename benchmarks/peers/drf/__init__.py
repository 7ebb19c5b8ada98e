"""The same API on Django REST framework as in its tutorial: `startproject`, and nothing tuned."""
