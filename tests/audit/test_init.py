"""`picasso.audit` is a function and a package, and each stays what it is when the other is used."""

import sys

import pytest

import picasso
from picasso.core.errors import DatasetError


def test_it_can_be_called_after_its_package_was_imported() -> None:
    for _ in range(2):
        with pytest.raises(DatasetError, match="no data set nowhere"):
            picasso.audit("demo:tank-proxy", "nowhere")
    assert callable(sys.modules["picasso.audit"])
