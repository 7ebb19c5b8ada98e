"""The same API on Django REST framework as its tutorial leaves it: `startproject`, and nothing tuned."""
