"""The resources of one repeat at the services: a path of the REST service, a mailbox of the mail server."""

from __future__ import annotations

from harness.conductor.names import Names
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.scenario.model import Scenario
from harness.services import Resources, ServiceGoneError


def create_resources(environment: Environment, scenario: Scenario, names: Names) -> None:
    """Every service and mailbox of a scenario; what serves them is started where it does not run yet.

    Raises:
        EnvironmentFailedError: It does not come, or refuses.
    """
    try:
        if scenario.services:
            environment.start("rest")
        for name, service in scenario.services.items():
            Resources(environment.rest_url).create(names.resource(name), idempotency=service.idempotency)
        if scenario.mailboxes:
            environment.start("smtp")
        for name in scenario.mailboxes:
            Resources(environment.mail_url).create(names.resource(name))
    except ServiceGoneError as error:
        raise EnvironmentFailedError(f"the places of this repeat could not be made: {error}") from error


def delete_resources(environment: Environment, scenario: Scenario, names: Names) -> None:
    """Leaves no trace; a service that is gone has none."""
    for name in scenario.services:
        Resources(environment.rest_url).delete(names.resource(name))
    for name in scenario.mailboxes:
        Resources(environment.mail_url).delete(names.resource(name))
