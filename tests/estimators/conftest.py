"""Fitted estimators for read-only use; to train one, copy it or fit a new one."""

import pytest

from tests.estimators._cases import ESTIMATORS, small


@pytest.fixture(scope="session")
def fitted(table):
    """Return the four estimators, fitted on the table, by class."""
    return {kind: small(kind).fit(table) for kind in ESTIMATORS}
