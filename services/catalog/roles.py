"""Who may read and change the catalog, by the role a token names: it concerns no person."""

from shared.auth.tokens import ROLES

READERS = ROLES - {"ops"}
EDITORS = frozenset({"counselor", "district_admin"})
