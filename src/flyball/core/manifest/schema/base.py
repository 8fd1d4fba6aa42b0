"""What the file's tables are made of: kinds of values, keys with descriptions, shorthands.

For a missing key, the default of the model's field that it goes `to` applies.
Unknown keys and values of the wrong type are refused; nothing is converted or guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from flyball.core.manifest import units


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorthand:
    """A value that may replace a whole table: its types, its name in a sentence, its table, its JSON Schema."""

    kinds: tuple[type, ...]
    says: str
    expand: Callable[[Any], dict[str, object]]
    schema: dict[str, object]


def switch(says: str = "true or false") -> Shorthand:
    """`true` and `false` for `{ enabled = true }` and `{ enabled = false }`."""
    return Shorthand(
        kinds=(bool,), says=says, expand=lambda value: {"enabled": value}, schema={"type": "boolean", "title": says}
    )


def _polish(schema: dict[str, Any], cls: type[Any]) -> None:
    """Remove null, which TOML does not have; show the model's defaults; allow the shorthand."""
    schema.pop("title", None)
    for held in schema.get("properties", {}).values():
        held.pop("title", None)
        held.pop("default", None)
        _without_null(held)
        if "patternProperties" in held:
            held["additionalProperties"] = False
        default = cls.default_of(held.pop("x-to", None))
        if default is not None:
            held["default"] = _default_text(default, held)
    if cls.shorthand is not None:
        table = {key: held for key, held in schema.items() if key != "description"}
        short = cls.shorthand.schema
        schema.clear()
        schema.update({"description": (cls.__doc__ or "").strip(), "anyOf": [short, table]})


def _without_null(held: dict[str, Any]) -> None:
    choices = [choice for choice in held.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        held.update({**choices[0], **held})
    elif choices:
        held["anyOf"] = choices


def _default_text(default: Any, held: dict[str, Any]) -> Any:
    if held.get("pattern") == units.DURATION_PATTERN:
        return units.duration_text(default)
    if held.get("pattern") == units.SIZE_PATTERN:
        return units.size_text(default)
    return default


class Table(BaseModel):
    """A table of the file. `model` is the value it becomes; `unsuited` explains why some keys do not exist."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra=_polish,
        regex_engine="rust-regex",
    )
    model: ClassVar[type | None] = None
    shorthand: ClassVar[Shorthand | None] = None
    unsuited: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        short = cls.shorthand
        if short is not None and type(value) in short.kinds:
            return short.expand(value)
        wanted = "a table" if short is None else f"{short.says} or a table"
        raise PydanticCustomError("not_a_table", "must be {wanted}", {"wanted": wanted})

    @classmethod
    def default_of(cls, to: str | None) -> Any:
        """The default of the model's field `to`, if it is a plain value."""
        if to is None or cls.model is None:
            return None
        held = next(field for field in fields(cls.model) if field.name == to)
        if held.default is MISSING or not isinstance(held.default, str | int | float):
            return None
        return held.default

    def given(self) -> dict[str, Any]:
        """The given keys that map directly to a field of the model, by that field's name."""
        return {
            str(extra["x-to"]): getattr(self, name)
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
            and isinstance(extra := field.json_schema_extra, dict)
            and getattr(self, name) is not None
        }


TableT = TypeVar("TableT", bound=Table)


def laid_over(own: TableT, shared: Table | None) -> TableT:
    """`own`, with the keys it lacks taken from `shared`; tables are merged one level deep."""
    if shared is None:
        return own
    update: dict[str, object] = {}
    for name in shared.model_fields_set:
        inherited, written = getattr(shared, name), getattr(own, name)
        if name not in own.model_fields_set:
            update[name] = inherited
        elif isinstance(written, Table):
            missing = inherited.model_fields_set - written.model_fields_set
            update[name] = written.model_copy(update={key: getattr(inherited, key) for key in missing})
        elif isinstance(written, dict):
            update[name] = {**inherited, **written}
    return own.model_copy(update=update)


NUMBER_OR_PERCENT: dict[str, object] = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": units.PERCENT_PATTERN}]
}


def number_or_percent(value: Any) -> Any:
    """The number of 50 or "50%"."""
    return units.percent(value) if isinstance(value, str) else value


def key(description: str, *, to: str | None = None, alias: str | None = None, **limits: Any) -> Any:
    """An optional key; `to` is the model's field that it sets."""
    extra: Any = None if to is None else {"x-to": to}
    return Field(default=None, description=description, alias=alias, json_schema_extra=extra, **limits)


def required(description: str, **limits: Any) -> Any:
    """A required key."""
    return Field(description=description, **limits)


def between(low: float, high: float, text: Callable[[float], str]) -> AfterValidator:
    """Refuses values outside low..high, which `text` formats for the message."""

    def check(value: Any) -> Any:
        if not low <= value <= high:
            raise ValueError(f"must be {text(low)} to {text(high)}, found {text(value)}")
        return value

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class Text:
    """Text that matches `pattern`. A user never sees the pattern, only the sentence of what the text `must`."""

    pattern: str
    must: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._match, {**handler(source), "pattern": self.pattern})

    def _match(self, value: Any, matched: ValidatorFunctionWrapHandler) -> Any:
        try:
            return matched(value)
        except ValidationError as wrong:
            if wrong.errors()[0]["type"] != "string_pattern_mismatch":
                raise
            raise ValueError(f"must {self.must}, found {units.value_text(value)}") from None


def text_of(read: Callable[[str], Any], wanted: str) -> BeforeValidator:
    """Reads a text with `read`; refuses any other value with "must be `wanted`"."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            raise units.NotAUnit(f"must be {wanted}, found {units.value_text(value)}")
        return read(value)

    return BeforeValidator(convert)


def _percentage(value: Any) -> Any:
    if isinstance(value, str):
        return units.percent(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise units.NotAUnit(f'must be a percentage such as 50 or "50%", found {units.value_text(value)}')
    return value


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError(f"must be a whole percentage, found {units.number_text(value)}")
    return int(value)


_percent_schema = WithJsonSchema(
    {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": units.PERCENT_PATTERN}]}
)

Duration = Annotated[
    float,
    text_of(units.duration, 'a duration in quotes such as "30s"'),
    WithJsonSchema({"type": "string", "pattern": units.DURATION_PATTERN}),
]
Bytes = Annotated[
    int,
    text_of(units.size, 'a size in quotes such as "512MB"'),
    WithJsonSchema({"type": "string", "pattern": units.SIZE_PATTERN}),
]
Percent = Annotated[float, BeforeValidator(_percentage), _percent_schema]
Share = Annotated[Percent, between(0, 100, lambda value: f"{units.number_text(value)}%")]
WholePercent = Annotated[float, BeforeValidator(_percentage), AfterValidator(_whole), _percent_schema]
WholeShare = Annotated[WholePercent, between(0, 100, lambda value: f"{value}%")]
Name = Annotated[
    str,
    Text(
        r"^[a-z][a-z0-9-]{0,30}$",
        "be a name such as web-2: at most 31 lower-case letters, digits and hyphens, a letter first",
    ),
]
Line = Annotated[
    str, Field(min_length=1, max_length=4000), Text(r"^[^\n\x00]*[^\s\x00][^\n\x00]*$", "be one line and not blank")
]
Lax = Strict(strict=False)


class OneOrMany:
    """A list that may be written as its only item."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._many, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, object]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}

    @staticmethod
    def _many(value: Any) -> Any:
        return [value] if isinstance(value, dict | str) else value


def span(low: str, high: str) -> AfterValidator:
    """Refuses durations outside low..high."""
    return between(units.duration(low), units.duration(high), units.duration_text)
