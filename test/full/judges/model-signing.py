"""OpenSSF Model Signing v1.0 with a key, written from the specification and from nothing of Aviary.

  model-signing.py verify FOLDER BUNDLE PUBLIC_KEY.pem    exit code 0 and what was verified as JSON, or 1 and why not
  model-signing.py sign FOLDER BUNDLE PRIVATE_KEY.pem     writes the bundle

Numbers in brackets are sections of https://github.com/ossf/model-signing-spec, SPEC.md. Needs python3-cryptography.
"""

import base64
import hashlib
import json
import os
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
ALWAYS_IGNORED = [".git", ".gitattributes", ".github", ".gitignore"]  # [6.2]
CURVES = {"secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384}


class Refused(Exception):
    """The model is not what was signed."""


def expect(holds, words):
    if not holds:
        raise Refused(words)


def pre_authentication_encoding(payload_type, payload):
    """What a DSSE signature is over (DSSE protocol, v1)."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def key_hint(public_key):
    """Fingerprint of a key, as the reference implementation takes it: SHA-256 of its PEM."""
    pem = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def files_of(folder, ignored):
    """Names of all regular files, without what is excluded [6.1, 6.2.1]."""
    names = []
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            expect(not os.path.islink(path), "a symbolic link: " + path)
        for name in files:
            relative = os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
            if not any(relative == one or relative.startswith(one + "/") for one in ignored):
                names.append(relative)
    # Python compares texts by code point, as [5.2.1] asks for.
    return sorted(names)


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(1 << 20)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def root_digest(resources):
    """[6.5.1]"""
    return hashlib.sha256(b"".join(bytes.fromhex(one["digest"]) for one in resources)).hexdigest()


def check_signature(bundle, public_key):
    """[8.1, 8.2] Returns the signed payload."""
    expect(bundle.get("mediaType") == BUNDLE_TYPE, "another media type: %r" % bundle.get("mediaType"))
    material = bundle["verificationMaterial"]
    expect(set(material) <= {"publicKey", "tlogEntries", "timestampVerificationData"}, "material that is not of a key")
    hint = material["publicKey"]["hint"]
    expect(hint == key_hint(public_key), "signed by another key: " + hint)
    envelope = bundle["dsseEnvelope"]
    expect(envelope["payloadType"] == PAYLOAD_TYPE, "another payload type: " + envelope["payloadType"])
    expect(len(envelope["signatures"]) == 1, "expected one signature")
    [signature] = envelope["signatures"]
    expect(signature.get("keyid") in (None, ""), "OMS names its key in the material alone")
    payload = base64.b64decode(envelope["payload"], validate=True)
    try:
        public_key.verify(
            base64.b64decode(signature["sig"], validate=True),
            pre_authentication_encoding(PAYLOAD_TYPE, payload),
            ec.ECDSA(CURVES[public_key.curve.name]()),
        )
    except InvalidSignature:
        raise Refused("the signature does not hold") from None
    return payload


def check_statement(statement):
    """[5, 8.3] Returns the files that were signed, and the subject's name."""
    expect(statement["_type"] == STATEMENT_TYPE, "no in-toto statement v1")
    expect(statement["predicateType"] == PREDICATE_TYPE, "another predicate: " + statement["predicateType"])
    predicate = statement["predicate"]
    serialization_method = predicate["serialization"]
    expect(serialization_method["method"] == "files", "another method")
    expect(serialization_method["hash_type"] == "sha256", "another hash")
    expect(serialization_method["allow_symlinks"] is False, "symbolic links are allowed")
    expect("shard_size" not in serialization_method, "a shard size without shards")
    resources = predicate["resources"]
    expect(len(resources) > 0, "no files")
    names = [one["name"] for one in resources]
    expect(names == sorted(names) and len(set(names)) == len(names), "the files are not in order, each once")
    for one in resources:
        expect(one["algorithm"] == "sha256", "another digest")
        expect(len(one["digest"]) == 64 and one["digest"] == one["digest"].lower(), "no hex digest")
        parts = one["name"].split("/")
        expect(all(part not in ("", ".", "..") for part in parts), "a name that is not canonical: " + one["name"])
    [subject] = statement["subject"]
    expect(subject["name"] != "", "a subject without a name")
    expect(subject["digest"] == {"sha256": root_digest(resources)}, "another root digest")
    return resources, serialization_method.get("ignore_paths", []), subject["name"]


def verify(folder, bundle_path, key_path):
    """[8]"""
    with open(key_path, "rb") as file:
        public_key = serialization.load_pem_public_key(file.read())
    with open(bundle_path, "rb") as file:
        bundle = json.load(file)
    resources, ignored, name = check_statement(json.loads(check_signature(bundle, public_key)))
    # Nothing but the bundle itself is excused here, whatever the signer ignored.
    own = os.path.relpath(bundle_path, folder).replace(os.sep, "/")
    expect(set(ignored) <= set(ALWAYS_IGNORED) | {own}, "paths are ignored: %r" % ignored)
    signed = {one["name"]: one["digest"] for one in resources}
    there = files_of(folder, [own])
    for missing in sorted(set(signed) - set(there)):
        raise Refused("signed but not there: " + missing)
    for extra in sorted(set(there) - set(signed)):
        raise Refused("there but not signed: " + extra)
    for file_name, digest in signed.items():
        expect(digest_of(os.path.join(folder, file_name)) == digest, "changed: " + file_name)
    print(json.dumps({"name": name, "files": sorted(signed)}))


def sign(folder, bundle_path, key_path):
    """[6]"""
    with open(key_path, "rb") as file:
        private_key = serialization.load_pem_private_key(file.read(), None)
    own = os.path.relpath(bundle_path, folder).replace(os.sep, "/")
    resources = [
        {"name": name, "algorithm": "sha256", "digest": digest_of(os.path.join(folder, name))}
        for name in files_of(folder, ALWAYS_IGNORED + [own])
    ]
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": os.path.basename(folder), "digest": {"sha256": root_digest(resources)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "resources": resources,
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": ALWAYS_IGNORED,
            },
        },
    }
    payload = json.dumps(statement, indent=1).encode()
    algorithm = ec.ECDSA(CURVES[private_key.curve.name]())
    signature = private_key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload), algorithm)
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key_hint(private_key.public_key())}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    with open(bundle_path, "w", encoding="utf-8") as file:
        json.dump(bundle, file)


if __name__ == "__main__":
    COMMANDS = {"verify": verify, "sign": sign}
    if len(sys.argv) != 5 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except (Refused, KeyError, TypeError, ValueError) as error:
        print("refused: %s" % error, file=sys.stderr)
        sys.exit(1)
