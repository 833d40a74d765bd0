"""template.yaml as the local run reads it: expanded like CloudFormation's transform does, its intrinsic functions resolved."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.intrinsics import Intrinsics, Resource
from local.parts import ACCOUNT, REGION, STACK, Function, QueueSource, Route, Schedule

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
PSEUDO = {
    "AWS::StackName": STACK,
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}


class Template:
    """The expanded template; `parameters` override the defaults that it gives."""

    def __init__(self, text: str, *, parameters: Mapping[str, str] | None = None) -> None:
        written = yaml_parse(text)
        self._folders = _take_folders(written)
        self.parameters = {name: one.get("Default", "") for name, one in written["Parameters"].items()} | dict(parameters or {})
        # The transform wants a region and, as the template attaches none, no list of AWS's managed policies.
        translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
        expanded = translator.translate(written, parameter_values=self.parameters)
        # It counts what it does and complains when nobody takes the counts.
        translator.metrics.publish()
        self.resources: Mapping[str, Any] = expanded["Resources"]
        self.conditions: Mapping[str, Any] = expanded.get("Conditions", {})

    def intrinsics(self, resource: Callable[[str], Resource]) -> Intrinsics:
        """Resolves this template's values; `resource` says what a logical id has become."""
        return Intrinsics(values=self.parameters | PSEUDO, conditions=self.conditions, resource=resource)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """All functions by logical id."""
        return {id_: self._function(id_, properties) for id_, properties in self._all("AWS::Lambda::Function")}

    def settings(self, function: Function) -> dict[str, str]:
        """The function's environment as far as it refers to no resource."""
        plain = self.intrinsics(_not_made)
        settings = {}
        for name, value in function.environment.items():
            with suppress(_NotMade):
                settings[name] = str(plain.resolve(value))
        return settings

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The HTTP API's routes, $default last."""
        routes = [
            Route(method=_method(verb), path=path, function=_integrated(operation))
            for _, properties in self._all("AWS::ApiGatewayV2::Api")
            for path, operations in properties["Body"]["paths"].items()
            for verb, operation in operations.items()
        ]
        return tuple(sorted(routes, key=lambda route: route.path == "$default"))

    @cached_property
    def queue_sources(self) -> tuple[QueueSource, ...]:
        """Who is fed from which queue."""
        return tuple(self._queue_source(properties) for _, properties in self._all("AWS::Lambda::EventSourceMapping"))

    @cached_property
    def schedules(self) -> tuple[Schedule, ...]:
        """Who is called again and again; how often is the caller's choice here."""
        plain = self.intrinsics(_not_made)
        return tuple(
            Schedule(name=plain.resolve(properties["Name"]), function=properties["Target"]["Arn"]["Fn::GetAtt"][0])
            for _, properties in self._all("AWS::Scheduler::Schedule")
        )

    def _all(self, kind: str) -> list[tuple[str, Any]]:
        return [(id_, one["Properties"]) for id_, one in self.resources.items() if one["Type"] == kind]

    def _queue_source(self, properties: Mapping[str, Any]) -> QueueSource:
        concurrency = properties.get("ScalingConfig", {}).get("MaximumConcurrency", 1)
        return QueueSource(
            queue=properties["EventSourceArn"]["Fn::GetAtt"][0],
            function=properties["FunctionName"]["Ref"],
            batch_size=int(properties["BatchSize"]),
            concurrency=int(self.intrinsics(_not_made).resolve(concurrency)),
        )

    def _function(self, id_: str, properties: Mapping[str, Any]) -> Function:
        return Function(
            id=id_,
            folder=self._folders[id_],
            handler=properties["Handler"],
            timeout_s=int(properties["Timeout"]),
            memory_mb=int(properties["MemorySize"]),
            environment=properties["Environment"]["Variables"],
        )


def read_template(*, parameters: Mapping[str, str] | None = None) -> Template:
    """The project's own template."""
    return Template(TEMPLATE.read_text(encoding="utf-8"), parameters=parameters)


def _take_folders(written: dict[str, Any]) -> dict[str, str]:
    """Each function's folder; the transform itself wants an address in S3 there, as `sam deploy` puts one."""
    folders = {}
    for id_, one in written["Resources"].items():
        properties = one.get("Properties", {})
        for name in ("CodeUri", "ContentUri"):
            if name in properties:
                folders[id_] = Path(str(properties[name])).name
                properties[name] = "s3://bucket/key"
    return folders


def _method(verb: str) -> str | None:
    return None if verb == "x-amazon-apigateway-any-method" else verb.upper()


def _integrated(operation: Mapping[str, Any]) -> str:
    uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    found = re.search(r"functions/\$\{(\w+)\.", uri)
    if found is None:
        raise ValueError(f"a route leads to {uri!r}, which is no function")
    return found[1]


class _NotMade(LookupError):
    """A value refers to a resource."""


def _not_made(id_: str) -> Resource:
    raise _NotMade(id_)
