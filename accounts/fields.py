"""The columns of a username: as it is shown, and the key by which it is found and kept unique."""

from typing import Any

from django.db import models

from accounts import names


class UsernameField(models.CharField):
    """Stored, and compared with, in NFKC."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return names.stored(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class UsernameKeyField(models.CharField):
    """The key of the username of the same row; each write of an instance computes it anew."""

    def pre_save(self, model_instance: Any, add: bool) -> str:
        key = names.normalized(model_instance.username)
        setattr(model_instance, self.attname, key)
        return key
