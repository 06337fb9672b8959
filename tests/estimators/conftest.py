"""Fitted estimators to look at; whoever trains one on takes a copy or fits a new one."""

import pytest

from tests.estimators._cases import ESTIMATORS, small


@pytest.fixture(scope="session")
def fitted(table):
    """Return the four estimators, fitted on the table, by class."""
    return {kind: small(kind).fit(table) for kind in ESTIMATORS}
