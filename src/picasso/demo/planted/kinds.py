"""All kinds of proxies, in the order in which they finish a picture."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from picasso.demo.planted.kind import Kind
from picasso.demo.planted.kinds_seen import SEEN
from picasso.demo.planted.kinds_unseen import UNSEEN

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in (*SEEN, *UNSEEN)})
