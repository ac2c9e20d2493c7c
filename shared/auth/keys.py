"""The deployment's own secrets: one file, made once, readable by its owner alone."""

import base64
import json
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import OKPAlgorithm
from pydantic import BaseModel

from shared.settings import Settings

ALGORITHM = "EdDSA"


class Keys(BaseModel):
    """Signing key of local tokens, sealing keys of personal data, key of signed links."""

    key_id: str
    signing_key_pem: str
    sealing_keys: list[str]
    link_key: str

    @classmethod
    def generate(cls) -> Self:
        private = Ed25519PrivateKey.generate()
        return cls(
            key_id=secrets.token_hex(8),
            signing_key_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            sealing_keys=[Fernet.generate_key().decode()],
            link_key=secrets.token_urlsafe(48),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Keys":
        """The keys of this deployment; made on first use. Safe to call from several processes at once."""
        return _load(settings.keys_path.resolve())

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.signing_key_pem, algorithm=ALGORITHM, headers={"kid": self.key_id})

    def derived(self, purpose: str) -> list[str]:
        """Fernet keys for one purpose alone, one per sealing key and in their order: they open nothing else."""
        return [
            base64.urlsafe_b64encode(
                HKDF(SHA256(), 32, salt=None, info=f"signpost/{purpose}".encode()).derive(
                    base64.urlsafe_b64decode(sealing_key)
                )
            ).decode()
            for sealing_key in self.sealing_keys
        ]

    def jwks(self) -> dict[str, Any]:
        """Public half of the signing key as a JSON Web Key Set."""
        private = load_pem_private_key(self.signing_key_pem.encode(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError("signing_key_pem must hold an Ed25519 key")
        key = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self.key_id, "alg": ALGORITHM, "use": "sig"}]}


@lru_cache(maxsize=16)
def _load(path: Path) -> Keys:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.write_text(Keys.generate().model_dump_json(indent=2))
        draft.chmod(0o600)
        try:
            os.link(draft, path)  # atomic: of two processes making keys at once, the first wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Keys.model_validate(json.loads(path.read_text()))
