"""The meter keeps the promises of every port that is driven over it."""

from tests.contract.ports.conftest import Clock
from tests.contract.ports.test_accounts import *  # noqa: F403  (the suite itself, over other fixtures)
from tests.contract.ports.test_api_keys import *  # noqa: F403  (the suite itself, over other fixtures)
from tests.contract.ports.test_bucket import real as real
from tests.contract.ports.test_bucket import (
    test_a_bucket_that_is_not_there_is_unavailable,
    test_a_fault_of_the_body_comes_out_as_it_is_and_leaves_nothing,
    test_a_picture_comes_back_as_it_was_put,
    test_a_presigned_url_gives_the_picture_without_a_key,
    test_a_taken_key_keeps_its_picture,
    test_of_many_puts_at_once_one_wins,
    test_what_is_not_there_is_a_key_error,
)
from tests.contract.ports.test_claims import *  # noqa: F403  (the suite itself, over other fixtures)
from tests.contract.ports.test_tasks import *  # noqa: F403  (the suite itself, over other fixtures)

__all__ = [
    "Clock",
    "real",
    "test_a_bucket_that_is_not_there_is_unavailable",
    "test_a_fault_of_the_body_comes_out_as_it_is_and_leaves_nothing",
    "test_a_picture_comes_back_as_it_was_put",
    "test_a_presigned_url_gives_the_picture_without_a_key",
    "test_a_taken_key_keeps_its_picture",
    "test_of_many_puts_at_once_one_wins",
    "test_what_is_not_there_is_a_key_error",
]
