"""Model fields of a username: the form that is displayed, and the key for look-ups and uniqueness."""

from typing import Any

from django.db import models

from accounts import names


class UsernameField(models.CharField):
    """Text in NFKC, when it is stored and in look-ups."""

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
    """The key of the username in the same row. It is computed each time an instance is saved."""

    def pre_save(self, model_instance: Any, add: bool) -> str:
        key = names.normalized(model_instance.username)
        setattr(model_instance, self.attname, key)
        return key
