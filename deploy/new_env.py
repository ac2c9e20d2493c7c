"""
Writes .env for docker-compose.yml: deploy/env.example with fresh passwords and this machine's user.

Needs Python alone. Never replaces a .env that is there: its passwords are in the databases already.
"""

import os
import re
import secrets
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
EMPTY_PASSWORD = re.compile(r"^(SIGNPOST_\w+_PASSWORD)=$", re.MULTILINE)


def filled(template: str, *, user: int, group: int) -> str:
    """The template with a password of 256 bits in every empty place, and the owner of the keys file."""
    text = EMPTY_PASSWORD.sub(lambda found: f"{found[1]}={secrets.token_hex(32)}", template)
    text = re.sub(r"^SIGNPOST_UID=.*$", f"SIGNPOST_UID={user}", text, flags=re.MULTILINE)
    return re.sub(r"^SIGNPOST_GID=.*$", f"SIGNPOST_GID={group}", text, flags=re.MULTILINE)


def main(target: Path) -> int:
    template = (REPOSITORY / "deploy" / "env.example").read_text(encoding="utf-8")
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target} exists and is left as it is.", file=sys.stderr)
        return 1
    # Root in a container would defeat its purpose: where root sets up, give the keys file to 10001.
    user, group = (os.getuid(), os.getgid()) if os.getuid() else (10001, 10001)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(filled(template, user=user, group=group))
    print(f"Written: {target}. Next, unless you have keys: .venv/bin/signpost keys generate --out deploy/keys.json")
    if not os.getuid():
        print("You are root: let the containers read the keys with `chown 10001:10001 deploy/keys.json`.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / ".env"))
