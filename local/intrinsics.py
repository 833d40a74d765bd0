"""CloudFormation's intrinsic functions, as far as this project's template uses them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_ABSENT = object()
_SUB = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What a resource has become: what `Ref` gives, and its attributes for `GetAtt`."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class UnknownIntrinsic(ValueError):
    """The template uses a function that the local run does not know."""


class Intrinsics:
    """Resolves values; `values` are parameters and pseudo parameters, `resource` answers for every other name."""

    def __init__(self, *, values: Mapping[str, Any], conditions: Mapping[str, Any], resource: Callable[[str], Resource]) -> None:
        self._values = values
        self._conditions = conditions
        self._resource = resource
        self._functions: Mapping[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": self._substitute,
            "Fn::If": self._choose,
            "Fn::Join": lambda value: value[0].join(str(one) for one in self.resolve(value[1])),
            "Fn::Equals": lambda value: str(self.resolve(value[0])) == str(self.resolve(value[1])),
            "Fn::Not": lambda value: not self.resolve(value[0]),
            "Fn::And": lambda value: all(self.resolve(one) for one in value),
            "Fn::Or": lambda value: any(self.resolve(one) for one in value),
            "Condition": lambda value: self.resolve(self._conditions[value]),
        }

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function replaced by its result; what is AWS::NoValue is left out."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not _ABSENT]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if len(value) == 1 and (name in self._functions or name.startswith("Fn::")):
            return self._call(name, value[name])
        resolved = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not _ABSENT}

    def _call(self, name: str, value: Any) -> Any:
        if name == "Condition" and not isinstance(value, str):
            # A policy statement has a key of the same name.
            return {name: self.resolve(value)}
        if name not in self._functions:
            raise UnknownIntrinsic(f"{name} is not known to the local run: add it to {__name__}")
        return self._functions[name](value)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        return self._values[name] if name in self._values else self._resource(name).ref

    def _attribute(self, path: str | list[str]) -> str:
        name, attribute = path.split(".", 1) if isinstance(path, str) else path
        return self._resource(name).attributes[attribute]

    def _substitute(self, value: str | list[Any]) -> str:
        text, own = (value, {}) if isinstance(value, str) else (value[0], self.resolve(value[1]))

        def one(found: re.Match[str]) -> str:
            name = found[1]
            if name in own:
                return str(own[name])
            return str(self._attribute(name) if "." in name else self._ref(name))

        return _SUB.sub(one, text).replace("${!", "${")

    def _choose(self, value: list[Any]) -> Any:
        condition, then, otherwise = value
        return self.resolve(then if self.resolve({"Condition": condition}) else otherwise)
